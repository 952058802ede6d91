//! The members that ship, beside those of tower-http.

use std::io;
use std::time::{Duration, Instant};

use axum::middleware::from_fn;
use bench::Row;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Empty;
use middleware_chain::{
    AccessLog, CatchPanic, Chain, Exchange, Next, RequestId, Sink, Timeout, Trace,
};
use tower::util::MapRequest;
use tower::{Layer, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::service::{Hello, asked, asked_with};

const LIMIT: Duration = Duration::from_secs(10);
const ID: HeaderName = HeaderName::from_static("x-request-id");

pub(crate) fn rows() -> [Row; 6] {
    [
        timeout(),
        request_id(),
        trace_context(),
        text_log(),
        json_log(),
        realistic(),
    ]
}

fn timeout() -> Row {
    Row::new("timeout around a service that is ready")
        .ours("Timeout::total", |_| {
            asked(built(Chain::builder().with(Timeout::total(LIMIT))).layer(Hello))
        })
        .peer("tower-http TimeoutLayer", |_| {
            let layer = TimeoutLayer::with_status_code(http::StatusCode::REQUEST_TIMEOUT, LIMIT);
            asked(layer.layer(Hello))
        })
        .peer("a member that does nothing", |_| asked(pass().layer(Hello)))
        .peer("the service alone", |_| asked(Hello))
}

/// What a chain costs that is there anyway.
fn pass() -> Chain {
    let pass = async |cx: &mut Exchange, next: Next<'_>| next.run(cx).await;
    built(Chain::builder().named("pass", pass))
}

fn request_id() -> Row {
    Row::new("a request id, in the request and in the answer")
        .ours("RequestId", |_| {
            asked(built(Chain::builder().hook(RequestId::new())).layer(Hello))
        })
        .peer("tower-http set and propagate", |_| {
            let stack = ServiceBuilder::new()
                .layer(SetRequestIdLayer::new(ID, MakeRequestUuid))
                .layer(PropagateRequestIdLayer::new(ID));
            asked(stack.service(Hello))
        })
        .peer("a member that does nothing", |_| asked(pass().layer(Hello)))
        .peer("the service alone", |_| asked(Hello))
}

/// A trace that is continued, by a header in the request, while nobody records spans.
fn trace_context() -> Row {
    const PARENT: HeaderValue =
        HeaderValue::from_static("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let with_parent = |mut request: Request<Empty<Bytes>>| {
        request.headers_mut().insert("traceparent", PARENT);
        request
    };
    Row::new("W3C trace context in and out, without a subscriber")
        .ours("Trace", move |_| {
            let chain = built(Chain::builder().with(Trace::new().trusting()));
            asked(MapRequest::new(chain.layer(Hello), with_parent))
        })
        .peer("a member that does nothing", move |_| {
            asked(MapRequest::new(pass().layer(Hello), with_parent))
        })
}

/// Takes lines and drops them, as the writers of the peers do.
pub(crate) struct Null;

impl Sink for Null {
    fn write(&self, line: &[u8]) {
        std::hint::black_box(line);
    }
}

fn text_log() -> Row {
    log("text", || AccessLog::logfmt(Null), false)
}

fn json_log() -> Row {
    log("JSON", || AccessLog::json(Null), true)
}

fn log(format: &str, ours: fn() -> AccessLog, json: bool) -> Row {
    Row::new(format!("an access log of {format}"))
        .ours("AccessLog", move |_| {
            asked(built(Chain::builder().hook(ours())).layer(Hello))
        })
        .peer("from_fn and info!, fmt", move |_| {
            subscribe(json);
            asked_with(logged(), axum::body::Body::empty)
        })
        .peer("the service alone", |_| asked(Hello))
}

/// An id, a log, a timeout and a guard against panics.
fn realistic() -> Row {
    Row::new("id, log, timeout and catch panic")
        .ours("chain, line written", |_| {
            let chain = Chain::builder()
                .hook(RequestId::new())
                .hook(AccessLog::logfmt(Null))
                .with(CatchPanic::new())
                .with(Timeout::total(LIMIT));
            asked(built(chain).layer(Hello))
        })
        .peer("tower-http, line written", |_| {
            subscribe(false);
            asked(tower_http_stack!())
        })
        .peer("tower-http, no subscriber", |_| asked(tower_http_stack!()))
        .peer("the service alone", |_| asked(Hello))
}

/// A macro, because the type has no name that could be returned.
macro_rules! tower_http_stack {
    () => {
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::new(ID, MakeRequestUuid))
            .layer(TraceLayer::new_for_http())
            .layer(PropagateRequestIdLayer::new(ID))
            .layer(CatchPanicLayer::new())
            .layer(TimeoutLayer::with_status_code(
                http::StatusCode::REQUEST_TIMEOUT,
                LIMIT,
            ))
            .service(Hello)
    };
}
use tower_http_stack;

fn built(chain: middleware_chain::ChainBuilder) -> Chain {
    chain.build().expect("a chain")
}

/// The log that one writes oneself with axum.
fn logged() -> impl tower::Service<
    axum::extract::Request,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
> + Clone {
    from_fn(
        async |request: axum::extract::Request, next: axum::middleware::Next| {
            let started = Instant::now();
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let response = next.run(request).await;
            tracing::info!(
                %method,
                path,
                status = response.status().as_u16(),
                elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
                "request"
            );
            response
        },
    )
    .layer(Hello)
}

/// For the process, which is the contender's own.
fn subscribe(json: bool) {
    let format = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(io::sink);
    let outcome = if json {
        format.json().try_init()
    } else {
        format.try_init()
    };
    outcome.expect("the first subscriber of this process");
}
