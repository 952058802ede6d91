//! Problem documents: RFC 9457.

use std::borrow::Cow;

use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error as a client sees it: what went wrong with this request, and nothing of what is behind
/// the service.
///
/// # Examples
///
/// ```
/// use axum::http::StatusCode;
/// use axum::response::IntoResponse;
/// use demo::Problem;
///
/// let problem = Problem::of(StatusCode::NOT_FOUND).detail("There is no user 7.");
/// assert_eq!(problem.into_response().headers()["content-type"], "application/problem+json");
/// ```
#[derive(Debug, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Cow<'static, str>>,
    #[serde(flatten)]
    extensions: Map<String, Value>,
    #[serde(skip)]
    retry_after_secs: Option<u16>,
}

impl Problem {
    /// A problem that its status says all about.
    #[must_use]
    pub fn of(status: StatusCode) -> Self {
        Self {
            kind: Cow::Borrowed("about:blank"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: None,
            extensions: Map::new(),
            retry_after_secs: None,
        }
    }

    /// A problem of a kind of its own: `name` becomes its `type`, which programs match on.
    #[must_use]
    pub fn named(status: StatusCode, name: &str, title: &'static str) -> Self {
        Self {
            kind: Cow::Owned(format!("urn:problem-type:{name}")),
            title,
            ..Self::of(status)
        }
    }

    /// Says what is wrong with this very request, and what to do about it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// Says when to try again.
    #[must_use]
    pub const fn retry_after_secs(mut self, secs: u16) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, MEDIA_TYPE);
        if let Some(secs) = self.retry_after_secs {
            headers.insert(RETRY_AFTER, HeaderValue::from(secs));
        }
        let status = StatusCode::from_u16(self.status).expect("it was taken from a status code");
        (status, headers, axum::Json(self)).into_response()
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
