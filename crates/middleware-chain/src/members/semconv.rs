//! Words of OpenTelemetry's semantic conventions for HTTP, version 1.23 and later.

use std::borrow::Cow;

use http::{Method, StatusCode, Version};

use crate::{Exit, Outcome};

/// `error.type` of the conventions: how a request failed on our side, if it did. A 4xx is not an
/// error of a server.
pub(super) fn error_type(exit: &Exit<'_>) -> Option<Cow<'static, str>> {
    match exit.outcome() {
        Outcome::Complete | Outcome::Upgraded => {
            let status = exit.status().filter(StatusCode::is_server_error)?;
            Some(status.as_str().to_owned().into())
        }
        outcome => Some(outcome.as_str().into()),
    }
}

/// A method that the conventions do not know.
#[cfg_attr(
    not(feature = "tracing"),
    allow(dead_code, reason = "a span is named by it")
)]
pub(super) const OTHER: &str = "_OTHER";

/// A client can invent methods: the conventions know these.
pub(super) fn method_name(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
    ];
    let mut known = KNOWN.into_iter();
    known.find(|it| *it == method.as_str()).unwrap_or(OTHER)
}

pub(super) fn version_name(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        Version::HTTP_3 => Some("3"),
        _ => None,
    }
}
