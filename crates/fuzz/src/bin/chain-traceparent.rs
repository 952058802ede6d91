//! Any bytes as lines of `traceparent` and `tracestate`: what is accepted is valid and bounded, and
//! is the same after it was written and read again.
//!
//! `cargo +nightly fuzz run chain-traceparent`, in this folder.

#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use middleware_chain::TraceContext;

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let (name, value) = match line {
            [b's', value @ ..] => ("tracestate", value),
            value => ("traceparent", value),
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    let Some(context) = TraceContext::extract(&headers) else {
        return;
    };
    assert_eq!(headers.get_all("traceparent").iter().count(), 1);
    assert!(context.trace_id() != [0; 16] && context.span_id() != [0; 8]);
    let child = context.child();
    assert_eq!(child.trace_id(), context.trace_id());
    for context in [&context, &child] {
        let mut written = headers.clone();
        context.inject(&mut written);
        let state = written.get("tracestate").map(HeaderValue::as_bytes);
        let state = state.unwrap_or(b"a=b");
        assert!(state.len() <= 512 && state.iter().all(|byte| (b' '..=b'~').contains(byte)));
        assert!(state.split(|byte| *byte == b',').count() <= 32);
        assert_eq!(TraceContext::extract(&written).as_ref(), Some(context));
    }
});
