//! Each request names the one host that it is for.

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{Request, Version};

/// What is wrong with how a request names its host, where hyper would serve what two parties on
/// the way may take for two different requests: RFC 9112, section 3.2, and RFC 9113, section 8.3.1.
pub(super) fn violation<B>(request: &Request<B>) -> Option<&'static str> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Some("The request has more than one Host header: send one.");
    }
    let Some(host) = host else {
        let is_named = request.uri().authority().is_some();
        return match request.version() {
            Version::HTTP_09 | Version::HTTP_10 => None,
            Version::HTTP_2 | Version::HTTP_3 if is_named => None,
            _ => Some("The request has no Host header: HTTP/1.1 asks for one."),
        };
    };
    let Some(host) = host
        .to_str()
        .ok()
        .and_then(|host| host.parse::<Authority>().ok())
    else {
        return Some("The Host header is not a host with an optional port.");
    };
    if host.as_str().contains('@') {
        return Some("The Host header holds user information: leave it out.");
    }
    match request.uri().authority() {
        Some(authority) if authority != &host => {
            Some("The Host header and the target of the request name different hosts.")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
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
            (Version::HTTP_11, "http://a/", &["a"], true),
            (Version::HTTP_11, "http://a/", &["A"], true),
            (Version::HTTP_11, "http://a/", &["b"], false),
            (Version::HTTP_11, "http://a/", &[], false),
            (Version::HTTP_10, "/", &[], true),
            (Version::HTTP_10, "/", &["a", "b"], false),
            (Version::HTTP_2, "http://a/", &[], true),
            (Version::HTTP_2, "http://a/", &["b"], false),
            (Version::HTTP_2, "/", &[], false),
        ] {
            let mut request = Request::builder().version(version).uri(uri);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let request = request.body(()).expect("the parts are well formed");
            let found = violation(&request);
            assert_eq!(
                found.is_none(),
                is_served,
                "{version:?} {uri} {hosts:?}: {found:?}"
            );
        }
    }
}
