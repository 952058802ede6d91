//! Giving a request away without moving it twice.

use std::{mem, ptr};

use http::{Extensions, HeaderMap, Method, Request, Uri, Version, request};

/// Whether a head is what is written down here. A field more that owns something is larger than what
/// a version leaves unused.
const IS_KNOWN: bool =
    size_of::<request::Parts>() == size_of::<(Method, Uri, Version, HeaderMap, Extensions)>();

/// Takes the head, and leaves its first line behind.
///
/// A `mem::replace` would do, but there are 224 bytes to move each time, and the head to put in
/// has to be made, moved and have the fields dropped that it does not need.
#[inline]
pub(crate) fn take_head(head: &mut request::Parts) -> request::Parts {
    if !IS_KNOWN {
        return replace_head(head);
    }
    let (method, uri) = (head.method.clone(), clone_uri(&head.uri));
    let (headers, extensions) = (HeaderMap::new(), Extensions::new());
    // SAFETY: what was read is not dropped here as well, for each field that owns something is
    // written before anybody sees the head again: nothing in between can panic, and `IS_KNOWN` says
    // that these are all.
    unsafe {
        let taken = ptr::read(head);
        ptr::write(&raw mut head.method, method);
        ptr::write(&raw mut head.uri, uri);
        ptr::write(&raw mut head.headers, headers);
        ptr::write(&raw mut head.extensions, extensions);
        taken
    }
}

/// Most name a path only, and to clone what is not there takes as long as to clone that.
#[inline]
fn clone_uri(uri: &Uri) -> Uri {
    match uri.path_and_query() {
        // Without a scheme there is no authority before a path.
        Some(path) if uri.scheme().is_none() => path.clone().into(),
        _ => uri.clone(),
    }
}

/// The same by moves, for an `http` of the future.
fn replace_head(head: &mut request::Parts) -> request::Parts {
    let (mut left, ()) = Request::new(()).into_parts();
    left.method.clone_from(&head.method);
    left.uri.clone_from(&head.uri);
    left.version = head.version;
    mem::replace(head, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_the_same_whatever_is_named() {
        for uri in ["/", "/a?b", "*", "a:80", "http://a/b?c", "http://a"] {
            let uri: Uri = uri.parse().expect("well formed");
            assert_eq!(clone_uri(&uri), uri);
            assert_eq!(clone_uri(&uri).to_string(), uri.to_string());
        }
        let nothing = Uri::from_parts(http::uri::Parts::default()).expect("well formed");
        assert_eq!(clone_uri(&nothing).to_string(), nothing.to_string());
    }

    #[test]
    fn all_is_given_away_and_the_first_line_stays() {
        // Else the slow way is taken: not wrong, but not what was measured.
        const { assert!(IS_KNOWN) };
        for take in [take_head, replace_head] {
            let request = Request::post("http://a/b").version(Version::HTTP_2);
            let request = request.header("c", "d").extension(7_u8).body(());
            let (mut head, ()) = request.expect("well formed").into_parts();
            let taken = take(&mut head);
            for head in [&taken, &head] {
                assert_eq!(head.method, Method::POST);
                assert_eq!(head.uri, "http://a/b");
                assert_eq!(head.version, Version::HTTP_2);
            }
            assert_eq!(taken.headers["c"], "d");
            assert_eq!(taken.extensions.get(), Some(&7_u8));
            assert!(head.headers.is_empty() && head.extensions.is_empty());
        }
    }
}
