//! Any bytes as the headers that a context is made of: what is accepted is bounded, and no longer or
//! other after it was written and read again.
//!
//! `cargo +nightly fuzz run ctxsvc-headers`, in this folder.

#![no_main]
#![allow(dead_code, reason = "the crate uses more of its files")]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;

#[path = "../../../ctxsvc/src/propagate/timeout.rs"]
mod timeout;
#[path = "../../../ctxsvc/src/propagate/traceparent.rs"]
mod traceparent;

use timeout::{from_grpc, from_text, to_grpc, to_text};
use traceparent::TraceParent;

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let (name, value) = match line {
            [b's', value @ ..] => ("tracestate", value),
            value => ("traceparent", value),
        };
        let Ok(value) = HeaderValue::from_bytes(value) else {
            continue;
        };
        timeouts(&value);
        headers.append(name, value);
    }
    let Some(parent) = TraceParent::read(&headers) else {
        return;
    };
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(parent.trace_id().len() == 32 && is_hex(parent.trace_id()));
    assert!(parent.parent_id().len() == 16 && is_hex(parent.parent_id()));
    let mut written = HeaderMap::new();
    parent.write(&mut written);
    assert!(
        written
            .get("tracestate")
            .is_none_or(|state| state.len() <= 512)
    );
    assert_eq!(TraceParent::read(&written), Some(parent));
});

/// What goes on is never more than what came in.
fn timeouts(value: &HeaderValue) {
    let plain = HeaderName::from_static("x-request-timeout");
    let in_ms = HeaderName::from_static("x-request-timeout-ms");
    let read = [
        from_grpc(value),
        from_text(&plain, value),
        from_text(&in_ms, value),
    ];
    for timeout in read.into_iter().flatten() {
        let by_grpc = from_grpc(&to_grpc(timeout)).expect("it can be read");
        let by_text = from_text(&plain, &to_text(timeout));
        assert!(by_grpc <= timeout);
        // Longer ones than the text can say are none.
        assert!(by_text.is_none_or(|it| it <= timeout && it.as_millis() == timeout.as_millis()));
    }
}
