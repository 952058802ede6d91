//! A bound on the size of a request's body.

use http::StatusCode;
use http::header::CONTENT_LENGTH;

use crate::{Error, Exchange, Middleware, Next, Result, Role};

/// Bounds the request's body, also one that comes in chunks and does not say its size: 413.
///
/// One that says that it is too large does not reach the service. Of another, the service gets as
/// much as is allowed and then an error, which [`Error::find`] tells from others; if it answers with
/// another error than a 413 of its own, that becomes one. Where several limits are in a chain, the smallest holds.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit {
    bytes: u64,
}

impl BodyLimit {
    /// So many bytes are allowed.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self { bytes }
    }
}

impl Middleware for BodyLimit {
    async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
        let declared = cx.request().headers.get(CONTENT_LENGTH);
        let declared = declared.and_then(|length| length.to_str().ok()?.parse().ok());
        if declared.is_some_and(|length: u64| length > self.bytes) {
            return Err(Error::status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let limit = &mut cx.body_rules.limit;
        *limit = Some(limit.map_or(self.bytes, |old| old.min(self.bytes)));
        let done = next.run(cx).await?;
        let status = cx.response().map(|response| response.status);
        let is_error = status.is_some_and(|it| it.is_client_error() || it.is_server_error());
        let is_over = cx.meter.as_ref().is_some_and(|meter| meter.is_over());
        if is_over && is_error && status != Some(StatusCode::PAYLOAD_TOO_LARGE) {
            return Err(Error::status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        Ok(done)
    }

    fn role(&self) -> Role {
        Role::BodyLimit
    }
}
