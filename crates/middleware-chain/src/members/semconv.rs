//! Words of OpenTelemetry's semantic conventions for HTTP, as of version 1.44.

use std::borrow::Cow;

use http::uri::Scheme;
use http::{Method, StatusCode, Version, request};

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
    const KNOWN: [&str; 10] = [
        "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "QUERY", "CONNECT", "TRACE",
    ];
    let mut known = KNOWN.into_iter();
    known.find(|it| *it == method.as_str()).unwrap_or(OTHER)
}

/// A method that the conventions do not know, as the client has written it. A client can write
/// anything: there is a bound.
#[cfg(feature = "tracing")]
pub(super) fn method_original(method: &Method) -> Option<&str> {
    const LENGTH_MAX: usize = 64;
    let is_other = method_name(method) == OTHER;
    // A method is ASCII.
    is_other.then(|| &method.as_str()[..method.as_str().len().min(LENGTH_MAX)])
}

/// The host and the port that the client has asked for, unless its name is longer than one can be.
#[cfg(feature = "tracing")]
pub(super) fn server(request: &request::Parts) -> Option<(&str, Option<u16>)> {
    const LENGTH_MAX: usize = 255;
    let named = match request.uri.authority() {
        Some(authority) => authority.as_str(),
        None => request.headers.get(http::header::HOST)?.to_str().ok()?,
    };
    let named = named.rsplit('@').next()?;
    // An address of IPv6 has colons too, and brackets around them.
    let port = named.rsplit_once(':').filter(|(_, it)| !it.contains(']'));
    let (host, port) = port.map_or((named, None), |(host, port)| (host, port.parse().ok()));
    let address = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let host = address.unwrap_or(host);
    (1..=LENGTH_MAX)
        .contains(&host.len())
        .then_some((host, port))
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

/// What the target says. A request by its path alone does not say: most servers are behind a proxy.
pub(super) fn scheme_name(request: &request::Parts) -> &'static str {
    let is_https = request.uri.scheme() == Some(&Scheme::HTTPS);
    if is_https { "https" } else { "http" }
}
