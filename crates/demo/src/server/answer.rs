//! What every request passes on its way to the routes and back.
//!
//! One function instead of a stack of layers: a layer around a router boxes each future, and all
//! of this together would cost more than the routing.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use tower::ServiceExt;
use tower_http::timeout::TimeoutBody;

use super::host;
use super::summary::Tally;
use crate::problem::{Problem, problem_for_bare_error};

/// Answers one request, whatever it is and whatever becomes of its handler.
///
/// # Cancel safety
///
/// When it is dropped, so is the handler, and the request counts as not answered.
pub(super) async fn answer(
    router: Router,
    body_idle_timeout: Duration,
    tally: &Tally,
    request: Request<Incoming>,
) -> Response {
    let response = match host::violation(&request) {
        Some(detail) => Problem::of(StatusCode::BAD_REQUEST)
            .detail(detail)
            .into_response(),
        None => route(router, request.map(|body| bounded(body, body_idle_timeout))).await,
    };
    let response = problem_for_bare_error(response);
    tally.response(response.status());
    response
}

fn bounded(body: Incoming, idle_timeout: Duration) -> Body {
    if body.is_end_stream() {
        return Body::empty();
    }
    Body::new(TimeoutBody::new(idle_timeout, body))
}

/// A panic costs this response and nothing else. What a handler shares with others is behind locks
/// and pools that know of panics, and its own state is dropped here.
async fn route(router: Router, request: Request<Body>) -> Response {
    let handled = AssertUnwindSafe(async { router.oneshot(request).await }).catch_unwind();
    match handled.await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(payload) => panicked(&*payload),
    }
}

/// The panic's text is for the log: it may name what the client must not know.
fn panicked(payload: &(dyn Any + Send)) -> Response {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied());
    tracing::error!(panic = text, "handler panicked");
    Problem::of(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}
