//! For whom a request is meant.

use bytes::Bytes;
use http::header::HOST;
use http::uri::Authority;
use http::{Response, StatusCode, Version, request};

use crate::{Error, Exchange, Flow, Hook, Role};

const NO_HOST: &str =
    "The Host header or the target holds something else than a host with an optional port.";

/// Refuses a request that names no host, several hosts, or one that is none: 400. If you say which
/// hosts are yours, a foreign one is a 421. Links and caches that are made from the host cannot be
/// poisoned then.
#[derive(Debug, Clone, Default)]
pub struct HostCheck {
    /// Any will do, if there is no list.
    hosts: Option<Vec<String>>,
}

impl HostCheck {
    /// Any one host will do.
    #[must_use]
    pub const fn any() -> Self {
        Self { hosts: None }
    }

    /// Only these will do, on any port: if there are none, no request passes.
    pub fn only<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Self {
        let hosts = hosts.into_iter().map(str::to_owned);
        Self {
            hosts: Some(hosts.collect()),
        }
    }

    fn refusal(&self, cx: &Exchange) -> Option<Error> {
        let host = match host_of(cx.request()) {
            Ok(host) => host,
            Err(detail) => return Some(Error::status(StatusCode::BAD_REQUEST).detail(detail)),
        };
        let is_ours = |ours: &Vec<String>| {
            let is_named = |host: Authority| {
                let mut ours = ours.iter();
                ours.any(|ours| ours.eq_ignore_ascii_case(host.host()))
            };
            host.is_some_and(is_named)
        };
        if self.hosts.as_ref().is_none_or(is_ours) {
            return None;
        }
        let detail = "This server does not answer for that host.";
        Some(Error::status(StatusCode::MISDIRECTED_REQUEST).detail(detail))
    }
}

/// The one host that a request names, if it has to name one, or what is wrong with how it does:
/// RFC 9112, section 3.2, and RFC 9113, section 8.3.1.
fn host_of(request: &request::Parts) -> std::result::Result<Option<Authority>, &'static str> {
    let target = request.uri.authority();
    let mut named = request.headers.get_all(HOST).iter();
    let host = match (named.next(), named.next()) {
        (_, Some(_)) => return Err("The request has more than one Host header: send one."),
        (Some(host), None) => Authority::try_from(host.as_bytes()).map_err(|_invalid| NO_HOST)?,
        (None, None) => match (request.version, target) {
            // HTTP/1.0 knew no hosts.
            (Version::HTTP_09 | Version::HTTP_10, None) => return Ok(None),
            (Version::HTTP_11, _) | (_, None) => {
                return Err("The request has no Host header: send one.");
            }
            (_, Some(target)) => target.clone(),
        },
    };
    if !is_host_and_port(&host) {
        return Err(NO_HOST);
    }
    if host.as_str().contains('@') {
        return Err("The Host header or the target holds user information: leave it out.");
    }
    if target.is_some_and(|target| *target != host) {
        return Err("The Host header and the target of the request name different hosts.");
    }
    Ok(Some(host))
}

/// `Authority` takes any text for a port, and nothing for a host.
fn is_host_and_port(authority: &Authority) -> bool {
    let host = authority.host();
    let named = authority.as_str().rsplit('@').next().unwrap_or_default();
    let port = named.strip_prefix(host).unwrap_or_default();
    !host.is_empty() && port.bytes().skip(1).all(|byte| byte.is_ascii_digit())
}

impl Hook for HostCheck {
    type State = ();

    fn before(&self, (): &mut (), cx: &mut Exchange) -> Flow {
        let Some(error) = self.refusal(cx) else {
            return Flow::Continue(());
        };
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = error.status_code();
        // An outer `ProblemJson` finds the detail there.
        let _ = cx.fail(error);
        Flow::Break(response)
    }

    fn role(&self) -> Role {
        Role::HostCheck
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn exactly_one_host_is_asked_for_and_it_must_be_one() {
        for (version, uri, hosts, is_served) in [
            (Version::HTTP_11, "/", &["a"][..], true),
            (Version::HTTP_11, "/", &["a:80"], true),
            (Version::HTTP_11, "/", &["[::1]:80"], true),
            (Version::HTTP_11, "/", &[], false),
            (Version::HTTP_11, "/", &["a", "a"], false),
            (Version::HTTP_11, "/", &["a", "b"], false),
            (Version::HTTP_11, "/", &[""], false),
            (Version::HTTP_11, "/", &["a, b"], false),
            (Version::HTTP_11, "/", &["user@a"], false),
            (Version::HTTP_11, "/", &["a/b"], false),
            (Version::HTTP_11, "/", &["a:"], true),
            (Version::HTTP_11, "/", &["a:a"], false),
            (Version::HTTP_11, "/", &["a:+80"], false),
            (Version::HTTP_11, "/", &[":80"], false),
            (Version::HTTP_11, "http://a/", &["a"], true),
            (Version::HTTP_11, "http://a/", &["A"], true),
            (Version::HTTP_11, "http://a/", &["b"], false),
            (Version::HTTP_11, "http://a/", &[], false),
            (Version::HTTP_10, "/", &[], true),
            (Version::HTTP_10, "/", &["a", "b"], false),
            (Version::HTTP_2, "http://a/", &[], true),
            (Version::HTTP_2, "http://a/", &["b"], false),
            (Version::HTTP_2, "http://a:b/", &[], false),
            (Version::HTTP_2, "http://user@a/", &[], false),
            (Version::HTTP_2, "/", &[], false),
        ] {
            let mut request = Request::builder().version(version).uri(uri);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let (request, ()) = request.body(()).expect("well formed").into_parts();
            let found = host_of(&request);
            assert_eq!(
                found.is_ok(),
                is_served,
                "{version:?} {uri} {hosts:?}: {found:?}"
            );
        }
    }

    #[test]
    fn where_no_host_is_ours_none_will_do() {
        for (check, is_served) in [
            (HostCheck::any(), true),
            (HostCheck::default(), true),
            (HostCheck::only(["A"]), true),
            (HostCheck::only(["b"]), false),
            (HostCheck::only([]), false),
        ] {
            let request = Request::builder().header(HOST, "a:80").body(());
            let (request, ()) = request.expect("well formed").into_parts();
            let refusal = check.refusal(&Exchange::new(request));
            assert_eq!(refusal.is_none(), is_served, "{check:?}");
        }
    }
}
