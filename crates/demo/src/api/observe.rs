//! Spans and metrics of requests, by the names of OpenTelemetry's semantic conventions for HTTP.

use std::time::Duration;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{counter, gauge, histogram};
use tokio::time::Instant;
use tracing::Span;
use tracing::field::Empty;

/// The span of one request. The query stays out of it: it may hold what a log must not.
pub(super) fn span<B>(request: &axum::http::Request<B>) -> Span {
    tracing::info_span!(
        "request",
        http.request.method = %request.method(),
        url.path = request.uri().path(),
        http.route = route(request),
        http.response.status_code = Empty,
    )
}

pub(super) fn answered<B>(response: &axum::http::Response<B>, _: Duration, span: &Span) {
    span.record("http.response.status_code", response.status().as_u16());
}

/// Counts the requests under way, and how long they take until their answer begins.
pub(super) async fn measure(request: Request, next: Next) -> Response {
    let started = Instant::now();
    // The set of label values must be bounded, and a client can invent methods and paths.
    let method = match request.method().as_str() {
        method @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE") => method.to_owned(),
        _ => "_OTHER".to_owned(),
    };
    let route = route(&request).unwrap_or("none").to_owned();
    let under_way = UnderWay::begin();
    let response = next.run(request).await;
    drop(under_way);
    histogram!(
        "http_server_request_duration_seconds",
        "http_request_method" => method,
        "http_route" => route,
        "http_response_status_code" => response.status().as_str().to_owned(),
    )
    .record(started.elapsed());
    response
}

/// What a pool says of itself at this moment.
pub(super) fn pool(name: &'static str, pool: &elastic_pool::Metrics) {
    for (state, workers) in [("busy", pool.busy), ("idle", pool.idle())] {
        gauge!("pool_workers", "pool" => name, "state" => state).set(as_f64(workers));
    }
    gauge!("pool_jobs_queued", "pool" => name).set(as_f64(pool.queued));
    for (outcome, jobs) in [
        ("completed", pool.completed),
        ("panicked", pool.panicked),
        ("cancelled", pool.cancelled),
        ("returned", pool.returned),
    ] {
        counter!("pool_jobs_total", "pool" => name, "outcome" => outcome).absolute(jobs);
    }
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}

fn route<B>(request: &axum::http::Request<B>) -> Option<&str> {
    let path: Option<&MatchedPath> = request.extensions().get();
    path.map(MatchedPath::as_str)
}

/// A request that is counted as under way, also when its client goes away and it is dropped.
struct UnderWay;

impl UnderWay {
    fn begin() -> Self {
        gauge!("http_server_active_requests").increment(1);
        Self
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        gauge!("http_server_active_requests").decrement(1);
    }
}
