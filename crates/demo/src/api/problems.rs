//! Which problem a failure is to the client.

use std::error::Error;

use axum::extract::rejection::{
    BytesRejection, FailedToBufferBody, JsonRejection, PathRejection, QueryRejection,
};
use axum::http::StatusCode;
use http_body_util::LengthLimitError;
use serde_json::Value;
use tower_http::timeout::TimeoutError;

use crate::Problem;
use crate::store::StoreError;
use crate::user::Invalid;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound => {
                Self::of(StatusCode::NOT_FOUND).detail("There is no such user.")
            }
            StoreError::EmailTaken => Self::named(
                StatusCode::CONFLICT,
                "email-taken",
                "E-mail address is taken",
            )
            .detail("Another user has this e-mail address."),
            StoreError::VersionMismatch { current } => Self::named(
                StatusCode::PRECONDITION_FAILED,
                "version-mismatch",
                "The user has changed",
            )
            .detail("Read the user again, and send its new ETag as If-Match.")
            .with("current", *current),
            StoreError::Unavailable { .. } => {
                tracing::warn!(error = &error as &dyn Error, "store unavailable");
                Self::of(StatusCode::SERVICE_UNAVAILABLE)
                    .detail("The database does not answer at the moment.")
                    .retry_after_secs(1)
            }
            StoreError::Refused { .. } => {
                tracing::error!(error = &error as &dyn Error, "store refused");
                Self::of(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl From<Vec<Invalid>> for Problem {
    fn from(errors: Vec<Invalid>) -> Self {
        let errors = errors
            .iter()
            .map(|error| serde_json::json!({"pointer": error.pointer, "detail": error.detail}));
        Self::named(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid-user",
            "The user is not valid",
        )
        .with("errors", errors.collect::<Value>())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match &rejection {
            JsonRejection::JsonSyntaxError(error) => Self::of(StatusCode::BAD_REQUEST)
                .detail(format!("The body is not JSON: {}.", innermost(error))),
            JsonRejection::JsonDataError(error) => Self::of(StatusCode::UNPROCESSABLE_ENTITY)
                .detail(format!("The body is not a user: {}.", innermost(error))),
            JsonRejection::MissingJsonContentType(_) => {
                Self::of(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                    .detail("Send the body with the header Content-Type: application/json.")
            }
            JsonRejection::BytesRejection(BytesRejection::FailedToBufferBody(error)) => match error
            {
                FailedToBufferBody::LengthLimitError(_) => too_large(),
                error => of_body(error),
            },
            _ => Self::of(rejection.status()),
        }
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::of(rejection.status())
            .detail(format!("The path is wrong: {}.", innermost(&rejection)))
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::of(rejection.status())
            .detail(format!("The query is wrong: {}.", innermost(&rejection)))
    }
}

/// Why a request body could not be read to its end.
pub(super) fn of_body(error: &(dyn Error + 'static)) -> Problem {
    if causes(error).any(<dyn Error>::is::<LengthLimitError>) {
        return too_large();
    }
    if causes(error).any(<dyn Error>::is::<TimeoutError>) {
        return Problem::of(StatusCode::REQUEST_TIMEOUT)
            .detail("The request body stopped arriving: send it without long pauses.");
    }
    Problem::of(StatusCode::BAD_REQUEST).detail("The request body broke off before its end.")
}

fn too_large() -> Problem {
    Problem::of(StatusCode::PAYLOAD_TOO_LARGE)
        .detail("The request body is larger than this resource accepts.")
}

/// The cause that names a place in the input. The levels above it name our types.
fn innermost<'e>(error: &'e (dyn Error + 'static)) -> &'e (dyn Error + 'static) {
    causes(error).last().unwrap_or(error)
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}
