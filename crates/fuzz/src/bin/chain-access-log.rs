//! Any bytes as what comes from outside into a line of the log: method, path, request id and route.
//! The line is one line of visible ASCII, has an upper bound, and is JSON that says the same.
//!
//! `cargo +nightly fuzz run chain-access-log`, in this folder.

#![no_main]

use std::future::{Ready, ready};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use http::{HeaderValue, Method, Request, Response, Uri};
use libfuzzer_sys::fuzz_target;
use middleware_chain::{AccessLog, Body, Chain, RequestBody, RequestId, RouteSlot, RouteTag, Sink};
use tower::{Layer, Service};

const LINE_MAX: usize = 8 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let lines = Lines::default();
    let mut parts = bytes.split(|byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let mut request = Request::new(());
    if let Ok(method) = Method::from_bytes(part()) {
        *request.method_mut() = method;
    }
    if let Ok(uri) = Uri::try_from(part()) {
        *request.uri_mut() = uri;
    }
    if let Ok(id) = HeaderValue::from_bytes(part()) {
        request.headers_mut().insert("x-request-id", id);
    }
    let route = String::from_utf8_lossy(part()).into_owned();
    for is_json in [true, false] {
        let log = if is_json {
            AccessLog::json(lines.clone())
        } else {
            AccessLog::logfmt(lines.clone())
        };
        serve(log, request.clone(), &route);
        let line = lines.take();
        check(&line);
        if is_json {
            let json: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            let logged = json["route"].as_str().expect("text");
            assert!(logged.len() <= 256 && route.starts_with(logged), "{line}");
            assert_eq!(json["outcome"], "complete");
        } else {
            assert!(line.contains(" outcome=complete "), "{line}");
        }
    }
});

fn check(line: &str) {
    assert!(line.len() <= LINE_MAX, "{} bytes", line.len());
    let text = line.strip_suffix('\n').expect("an end");
    assert!(
        text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
        "{text:?}"
    );
}

fn serve(log: AccessLog, request: Request<()>, route: &str) {
    let chain = Chain::builder()
        .hook(RequestId::new().trusting())
        .hook(RouteTag::new(|_| None))
        .hook(log.with_path())
        .build()
        .expect("three names");
    let mut answering = pin!(
        chain
            .layer(Routed(route.to_owned()))
            .call(request.map(|()| Body::empty()))
    );
    let Poll::Ready(answer) = answering
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    else {
        unreachable!("nothing waits");
    };
    drop(answer);
}

/// A service that is a route.
#[derive(Clone)]
struct Routed(String);

impl Service<Request<RequestBody>> for Routed {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Response<Body>, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let slot: Option<&RouteSlot> = request.extensions().get();
        slot.expect("left by the tag").set(&self.0);
        ready(Ok(Response::new(Body::empty())))
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().expect("no panic"));
        String::from_utf8(bytes).expect("ASCII")
    }
}

impl Sink for Lines {
    fn write(&self, line: &[u8]) {
        self.0.lock().expect("no panic").extend(line);
    }
}
