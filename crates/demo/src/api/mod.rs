//! The HTTP interface: routes, and what they say.

mod avatar;
mod chain;
mod condition;
mod extract;
mod health;
mod import;
mod lines;
mod observe;
mod refusal;
mod users;

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Extension, Router};
use ctxsvc::CtxLayer;
use elastic_pool::blocking::Pool;
use metrics_exporter_prometheus::PrometheusHandle;
use redis_ratelimit::RateLimitLayer;

pub use chain::chain;

use crate::store::UserStore;

/// What the handlers share.
type Store = Arc<dyn UserStore>;

/// Makes the routes of the service, to be served behind its [`chain`](chain()). Pictures are drawn
/// by the threads of `drawing`. `quotas` are those of the API; who looks after the service is not
/// limited.
pub fn router(
    store: Store,
    drawing: Pool,
    quotas: RateLimitLayer,
    metrics: PrometheusHandle,
) -> Router {
    let users = Router::new()
        .route("/users", get(users::list).post(users::create))
        .route(
            "/users/{id}",
            get(users::read).put(users::update).delete(users::delete),
        )
        .route("/users/{id}/avatar.png", get(avatar::picture))
        .layer(Extension(drawing.clone()))
        // `x-request-timeout: 250ms` ends the request then, and what the database does for it.
        .layer(CtxLayer::new());
    let import = Router::new().route("/users/import", post(import::import));
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
        .route_layer(chain::route_tag())
        .with_state(store)
}
