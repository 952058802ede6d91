//! A context for each request that comes in.

use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderName, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::timeout::{GRPC_TIMEOUT, REQUEST_TIMEOUT, from_grpc, from_text};
use super::{CtxFuture, TraceParent, is_grpc};
use crate::Ctx;

/// Gives each request a [`Ctx`], in its extensions and as the current one.
///
/// - Its deadline is the earliest of `grpc-timeout`, a timeout header (`x-request-timeout: 250ms`)
///   and [`max_timeout`](Self::max_timeout). A header that makes no sense is ignored.
/// - When the deadline passes, the answer is 504, or for gRPC the status 4. If it has passed
///   already, the service is not called.
/// - When the client goes away before there is an answer, the context is cancelled.
/// - A `traceparent` is kept as a value: [`TraceParent`].
///
/// A body that is streamed after its response has begun is not covered.
#[derive(Debug, Clone)]
pub struct CtxLayer {
    timeout_header: HeaderName,
    max_timeout: Option<Duration>,
}

impl CtxLayer {
    /// Without a limit of the server's own.
    #[must_use]
    pub fn new() -> Self {
        Self {
            timeout_header: REQUEST_TIMEOUT,
            max_timeout: None,
        }
    }

    /// Which header tells the timeout: `x-request-timeout` unless set. A number without a unit is
    /// of seconds, and of milliseconds if the header's name ends with `-ms`.
    #[must_use]
    pub fn timeout_header(mut self, name: HeaderName) -> Self {
        self.timeout_header = name;
        self
    }

    /// How long a request may take, whatever its headers say.
    #[must_use]
    pub fn max_timeout(mut self, timeout: Duration) -> Self {
        self.max_timeout = Some(timeout);
        self
    }

    fn ctx<B>(&self, request: &Request<B>) -> Ctx {
        let headers = request.headers();
        let of_grpc = headers.get(GRPC_TIMEOUT).and_then(from_grpc);
        let of_text = headers.get(&self.timeout_header);
        let of_text = of_text.and_then(|value| from_text(&self.timeout_header, value));
        let timeouts = [of_grpc, of_text, self.max_timeout];
        let mut ctx = Ctx::root();
        if let Some(timeout) = timeouts.into_iter().flatten().min() {
            ctx = ctx.with_timeout(timeout);
        }
        match TraceParent::read(headers) {
            Some(parent) => ctx.with_value(parent),
            None => ctx,
        }
    }
}

impl Default for CtxLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CtxLayer {
    type Service = CtxService<S>;

    fn layer(&self, inner: S) -> CtxService<S> {
        let layer = self.clone();
        CtxService { inner, layer }
    }
}

/// The service of [`CtxLayer`].
#[derive(Debug, Clone)]
pub struct CtxService<S> {
    inner: S,
    layer: CtxLayer,
}

impl<S, A, B> Service<Request<A>> for CtxService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    B: Default,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = CtxFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<A>) -> Self::Future {
        let is_grpc = is_grpc(request.headers());
        let (ctx, guard) = self.layer.ctx(&request).cancellable();
        if ctx.is_cancelled() {
            return CtxFuture::late(is_grpc);
        }
        request.extensions_mut().insert(ctx.clone());
        let response = ctx.scope(self.inner.call(request));
        CtxFuture::new(ctx, response, guard, is_grpc)
    }
}
