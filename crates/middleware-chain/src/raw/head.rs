//! Giving a request away without moving it twice.

use std::ptr;

use http::{Extensions, HeaderMap, request};

/// Takes the head, and leaves its first line behind.
///
/// A `mem::replace` would do, but there are 224 bytes to move each time, and the head to put in
/// has to be made, moved and have the fields dropped that it does not need.
#[inline]
pub(crate) fn take_head(head: &mut request::Parts) -> request::Parts {
    let (method, uri) = (head.method.clone(), head.uri.clone());
    let (headers, extensions) = (HeaderMap::new(), Extensions::new());
    // SAFETY: what was read is not dropped here as well, for each field that owns something is
    // written before anybody sees the head again: nothing in between can panic.
    unsafe {
        let taken = ptr::read(head);
        ptr::write(&raw mut head.method, method);
        ptr::write(&raw mut head.uri, uri);
        ptr::write(&raw mut head.headers, headers);
        ptr::write(&raw mut head.extensions, extensions);
        taken
    }
}
