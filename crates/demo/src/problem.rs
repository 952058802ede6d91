//! Problem documents (RFC 9457) for what fails around the handlers. Their own errors are rendered
//! by errchain.

use std::borrow::Cow;

use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A problem that its status says most about.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'static, str>>,
}

impl Problem {
    pub(crate) fn of(status: StatusCode) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: None,
        }
    }

    /// Says what is wrong with this very request, and what to do about it.
    pub(crate) fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("it was taken from a status code");
        (status, [(CONTENT_TYPE, MEDIA_TYPE)], axum::Json(self)).into_response()
    }
}

/// Gives a body to an error that has none of its own, such as the router's 404 and 405 or a
/// layer's 408. Headers such as `Allow` stay.
pub(crate) fn problem_for_bare_error(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().get(CONTENT_TYPE) == Some(&MEDIA_TYPE) {
        return response;
    }
    let (mut parts, _bare) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    let (problem, body) = Problem::of(status).into_response().into_parts();
    parts.headers.extend(problem.headers);
    Response::from_parts(parts, body)
}
