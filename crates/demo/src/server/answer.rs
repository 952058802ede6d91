//! One request and its answer.

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use middleware_chain::{ChainService, ResponseBody};
use tower::Service;

use super::summary::Tally;

pub(super) type Answer = axum::http::Response<ResponseBody<Body>>;

/// Answers one request, whatever it is and whatever becomes of its handler: the chain never fails.
///
/// # Cancel safety
///
/// When it is dropped, so is the handler, and the request counts as not answered.
pub(super) async fn answer(
    mut service: ChainService<Router>,
    tally: &Tally,
    request: Request<Incoming>,
) -> Answer {
    let response = match service.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    tally.response(response.status());
    response
}
