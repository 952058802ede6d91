//! What is left of a context, for each request that goes out.

use std::task::{Context, Poll};
use std::time::Duration;

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::timeout::{GRPC_TIMEOUT, REQUEST_TIMEOUT, to_grpc, to_text};
use super::{PropagateFuture, TraceParent, is_grpc};
use crate::Ctx;

/// The error of a service of [`PropagateLayer`]: that of the service inside, or a
/// [`Done`](crate::Done).
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Sends what is left of the context's time along with each request, and waits no longer for the
/// answer.
///
/// The context is the one in the request's extensions, or the [current](Ctx::current) one. The
/// time is rounded down, in `grpc-timeout` for gRPC and in `x-request-timeout` else, and a
/// [`TraceParent`] is handed on unless there is another one. When no time is left, nothing is sent.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PropagateLayer;

impl PropagateLayer {
    /// There is nothing to set.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl<S> Layer<S> for PropagateLayer {
    type Service = Propagate<S>;

    fn layer(&self, inner: S) -> Propagate<S> {
        Propagate { inner }
    }
}

/// The service of [`PropagateLayer`].
#[derive(Debug, Clone)]
pub struct Propagate<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for Propagate<S>
where
    S: Service<Request<B>, Error: Into<BoxError>>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = PropagateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let ctx = request.extensions().get::<Ctx>().cloned();
        let ctx = ctx.unwrap_or_else(Ctx::current);
        if let Err(done) = ctx.check() {
            return PropagateFuture::late(done);
        }
        if let Some(remaining) = ctx.remaining() {
            write_timeout(&mut request, remaining);
        }
        if let Some(parent) = ctx.value::<TraceParent>() {
            parent.write(request.headers_mut());
        }
        PropagateFuture::new(ctx, self.inner.call(request))
    }
}

fn write_timeout<B>(request: &mut Request<B>, remaining: Duration) {
    if is_grpc(request.headers()) {
        request
            .headers_mut()
            .insert(GRPC_TIMEOUT, to_grpc(remaining));
    } else {
        request
            .headers_mut()
            .insert(REQUEST_TIMEOUT, to_text(remaining));
    }
}
