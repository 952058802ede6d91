//! Requests that are refused before they reach a store, by the codes that clients tell it by.

use std::error;

use axum::extract::rejection::{
    BytesRejection, FailedToBufferBody, JsonRejection, PathRejection, QueryRejection,
};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use errchain::{Code, Error, Kind, code, err};

use crate::user::Invalid;

code!(pub(super) INVALID_USER: "user", "INVALID", Kind::InvalidArgument, "The user is not valid", http_status = 422);
code!(pub(super) VERSION_MISSING: "user", "VERSION_MISSING", Kind::FailedPrecondition, "The version is missing", http_status = 428);
code!(pub(super) MALFORMED: "request", "MALFORMED", Kind::InvalidArgument, "The request is malformed");
code!(pub(super) NOT_A_USER: "request", "NOT_A_USER", Kind::InvalidArgument, "The body is not a user", http_status = 422);
code!(pub(super) MEDIA_TYPE: "request", "MEDIA_TYPE", Kind::InvalidArgument, "The body is of another media type", http_status = 415);
code!(pub(super) TOO_LARGE: "request", "TOO_LARGE", Kind::OutOfRange, "The body is larger than this resource accepts", http_status = 413);
code!(pub(super) BODY_STOPPED: "request", "BODY_STOPPED", Kind::DeadlineExceeded, "The body stopped arriving", http_status = 408);
code!(pub(super) BODY_BROKEN: "request", "BODY_BROKEN", Kind::InvalidArgument, "The body broke off before its end, or its chunks are malformed");

/// A refusal that says what is wrong with this very request, and what to do about it.
pub(super) fn refused(code: &'static Code, detail: impl Into<String>) -> Error {
    code.err().public("detail", detail.into())
}

/// Why a request body could not be read to its end.
pub(super) fn of_body(error: &(dyn error::Error + 'static)) -> Error {
    let refused = middleware_chain::Error::find(error);
    match refused.map(middleware_chain::Error::status_code) {
        Some(StatusCode::PAYLOAD_TOO_LARGE) => err!(TOO_LARGE),
        Some(StatusCode::REQUEST_TIMEOUT) => err!(BODY_STOPPED),
        _ => BODY_BROKEN
            .err()
            .with("cause", innermost(error).to_string()),
    }
}

/// A user with at least one member that is not valid: each one is a field of that name.
pub(super) fn of_invalid(errors: Vec<Invalid>) -> Error {
    let invalid = INVALID_USER.err();
    errors.into_iter().fold(invalid, |invalid, error| {
        invalid.public(error.member, error.detail)
    })
}

/// What an extractor refuses with.
#[derive(Debug)]
pub(super) struct Refused(Error);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        Self(match &rejection {
            JsonRejection::JsonSyntaxError(error) => refused(
                &MALFORMED,
                format!("The body is not JSON: {}.", innermost(error)),
            ),
            JsonRejection::JsonDataError(error) => {
                refused(&NOT_A_USER, format!("{}.", innermost(error)))
            }
            JsonRejection::MissingJsonContentType(_) => refused(
                &MEDIA_TYPE,
                "Send the body with the header Content-Type: application/json.",
            ),
            JsonRejection::BytesRejection(BytesRejection::FailedToBufferBody(error)) => match error
            {
                FailedToBufferBody::LengthLimitError(_) => err!(TOO_LARGE),
                error => of_body(error),
            },
            _ => Error::from(rejection).with_code(&MALFORMED),
        })
    }
}

impl From<PathRejection> for Refused {
    fn from(rejection: PathRejection) -> Self {
        let detail = format!("The path is wrong: {}.", innermost(&rejection));
        Self(refused(&MALFORMED, detail))
    }
}

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        let detail = format!("The query is wrong: {}.", innermost(&rejection));
        Self(refused(&MALFORMED, detail))
    }
}

/// The cause that names a place in the input. The levels above it name our types.
fn innermost<'e>(error: &'e (dyn error::Error + 'static)) -> &'e (dyn error::Error + 'static) {
    causes(error).last().unwrap_or(error)
}

fn causes<'e>(
    error: &'e (dyn error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn error::Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
