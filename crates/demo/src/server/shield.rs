//! The layers around every route.

use std::any::Any;
use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::{from_fn, map_response};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;

use super::summary::Tally;
use super::{Limits, host};
use crate::Problem;
use crate::problem::problem_for_bare_error;

/// Wraps the routes into what every request must pass, from the inside out.
pub(super) fn shield(router: Router, limits: &Limits, tally: Arc<Tally>) -> Router {
    router
        .layer(RequestBodyTimeoutLayer::new(limits.body_idle_timeout))
        .layer(from_fn(host::check))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(map_response(problem_for_bare_error))
        .layer(map_response(move |response: Response| {
            tally.response(response.status());
            ready(response)
        }))
}

/// The panic's text is for the log: it may name what the client must not know.
#[expect(
    clippy::needless_pass_by_value,
    reason = "tower-http passes the payload by value"
)]
fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied());
    tracing::error!(panic = text, "handler panicked");
    Problem::of(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}
