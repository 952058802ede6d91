//! Errors for programs.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Response};

use super::json::json_string;
use crate::{Error, Exchange, Middleware, Next, Result, Role};

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Renders errors as problem documents (RFC 9457): those that travel by `?`, and the bare or
/// plain-text 4xx and 5xx of routers and extractors. Their bodies are dropped unread, their headers
/// stay. JSON, HTML and every other body that means something is left alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProblemJson(());

impl ProblemJson {
    /// One that renders what is not rendered yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Middleware for ProblemJson {
    async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
        let is_head = cx.request().method == Method::HEAD;
        let done = match next.run(cx).await {
            Ok(done) => done,
            Err(error) => cx.fail(error),
        };
        let status = cx.response().map(|response| response.status);
        // A member may have changed the status of what the error said.
        let error = cx.error().filter(|it| Some(it.status_code()) == status);
        let detail = error.and_then(Error::text).map(str::to_owned);
        let Some(response) = cx.response_mut().filter(|it| is_bare(it)) else {
            return Ok(done);
        };
        let document = document(response.status, detail.as_deref());
        let mut problem = Response::new(());
        *problem.status_mut() = response.status;
        *problem.headers_mut() = std::mem::take(&mut response.headers);
        *problem.extensions_mut() = std::mem::take(&mut response.extensions);
        let headers = problem.headers_mut();
        headers.remove(TRANSFER_ENCODING);
        headers.insert(CONTENT_TYPE, MEDIA_TYPE);
        headers.insert(CONTENT_LENGTH, document.len().into());
        let body = if is_head { Bytes::new() } else { document };
        Ok(cx.render(problem.map(|()| body)))
    }

    fn role(&self) -> Role {
        Role::ProblemJson
    }
}

fn is_bare(response: &http::response::Parts) -> bool {
    let is_error = response.status.is_client_error() || response.status.is_server_error();
    let content = response.headers.get(CONTENT_TYPE);
    let is_text = content.is_none_or(|it| it.as_bytes().starts_with(b"text/plain"));
    is_error && is_text && !response.headers.contains_key(CONTENT_ENCODING)
}

fn document(status: http::StatusCode, detail: Option<&str>) -> Bytes {
    let mut json = Vec::with_capacity(96);
    json.extend(br#"{"type":"about:blank","title":"#);
    json_string(&mut json, status.canonical_reason().unwrap_or("Error"));
    json.extend(br#","status":"#);
    json.extend(status.as_str().as_bytes());
    if let Some(detail) = detail {
        json.extend(br#","detail":"#);
        json_string(&mut json, detail);
    }
    json.push(b'}');
    json.into()
}
