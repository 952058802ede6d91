//! The service finds out which limits a request has.

use std::mem;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::rules::Rules;
use super::{ResponseBody, ResponseFuture};

/// The service that [`RateLimitLayer`](crate::RateLimitLayer) makes.
///
/// It is ready when the service below it is ready: it neither waits for the limiter nor takes
/// anything before it is called. It adds no error of its own, because a denial is an answer.
#[derive(Debug, Clone)]
pub struct RateLimit<S> {
    service: S,
    rules: Rules,
}

impl<S> RateLimit<S> {
    pub(super) fn new(service: S, rules: Rules) -> Self {
        Self { service, rules }
    }
}

impl<S, B, R> Service<Request<B>> for RateLimit<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // `poll_ready` prepared this very instance, and a clone need not be ready. So the
        // future takes the instance, and leaves the clone for the next `poll_ready`.
        let clone = self.service.clone();
        let ready = mem::replace(&mut self.service, clone);
        ResponseFuture::new(ready, self.rules.clone(), request)
    }
}
