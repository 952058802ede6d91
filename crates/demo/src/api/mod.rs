//! The HTTP interface: routes, and what they say.

mod avatar;
mod condition;
mod extract;
mod health;
mod import;
mod lines;
mod observe;
mod refusal;
mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Extension, Router};
use ctxsvc::CtxLayer;
use elastic_pool::blocking::Pool;
use metrics_exporter_prometheus::PrometheusHandle;
use redis_ratelimit::RateLimitLayer;
use tower::ServiceBuilder;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::LastError;
use crate::store::UserStore;

/// A user takes less than 2 KiB, however it is escaped.
const BODY_BYTES_MAX: usize = 64 * 1_024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// 100 000 users take some 10 MiB.
const IMPORT_BYTES_MAX: usize = 64 * 1_024 * 1_024;
const IMPORT_TIMEOUT: Duration = Duration::from_mins(10);

/// What the handlers share.
type Store = Arc<dyn UserStore>;

/// Makes the routes of the service. Pictures are drawn by the threads of `drawing`. `quotas` are those of the API; who looks after the service is
/// not limited.
pub fn router(
    store: Store,
    drawing: Pool,
    quotas: RateLimitLayer,
    metrics: PrometheusHandle,
    last_error: &LastError,
) -> Router {
    let users = Router::new()
        .route("/users", get(users::list).post(users::create))
        .route(
            "/users/{id}",
            get(users::read).put(users::update).delete(users::delete),
        )
        .route("/users/{id}/avatar.png", get(avatar::picture))
        .layer(Extension(drawing.clone()))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES_MAX))
        // `x-request-timeout: 250ms` ends the request then, and what the database does for it.
        .layer(CtxLayer::new())
        .layer(total_timeout(REQUEST_TIMEOUT));
    let import = Router::new()
        .route("/users/import", post(import::import))
        .layer(RequestBodyLimitLayer::new(IMPORT_BYTES_MAX))
        .layer(total_timeout(IMPORT_TIMEOUT));
    let operation = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route(
            "/metrics",
            get(async move || {
                observe::pool("drawing", &drawing.metrics());
                metrics.render()
            }),
        );

    users
        .merge(import)
        .route_layer(quotas)
        .merge(operation)
        .with_state(store)
        .layer(
            ServiceBuilder::new()
                .layer(
                    TraceLayer::new_for_http()
                        .make_span_with(observe::span)
                        .on_request(())
                        .on_response(observe::finished)
                        .on_failure(()),
                )
                .layer(from_fn_with_state(last_error.clone(), observe::measure)),
        )
}

/// The database has a shorter limit of its own, so what is late here is the request's body.
fn total_timeout(limit: Duration) -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, limit)
}
