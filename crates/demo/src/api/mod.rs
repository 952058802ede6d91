//! The HTTP interface: routes, and what they say.

mod avatar;
mod chain;
mod condition;
mod extract;
mod health;
mod import;
mod lines;
mod refusal;
mod users;

use std::sync::Arc;

use axum::routing::{get, post};
use axum::{Extension, Router};
use ctxsvc::CtxLayer;
use metrics_exporter_prometheus::PrometheusHandle;
use redis_ratelimit::RateLimitLayer;

pub use chain::chain;

use crate::Pools;
use crate::store::UserStore;

/// What the handlers share.
type Store = Arc<dyn UserStore>;

/// Makes the routes of the service, to be served behind its [`chain`](chain()). `pools` draw
/// pictures and store what is imported. `quotas` are those of the API; who looks after the service is
/// not limited.
pub fn router(
    store: Store,
    pools: Pools,
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
        .layer(Extension(pools.drawing))
        // `x-request-timeout: 250ms` ends the request then, and what the database does for it.
        .layer(CtxLayer::new());
    let import = Router::new()
        .route("/users/import", post(import::import))
        .layer(Extension(pools.importing));
    let operation = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(async move || metrics.render()));

    users
        .merge(import)
        .route_layer(quotas)
        .merge(operation)
        .route_layer(chain::route_tag())
        .with_state(store)
}
