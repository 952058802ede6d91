//! Where a tower layer stands in a chain: what is inside of it is one service to it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_layer::Layer;
use tower_service::Service;

use crate::call::Call;
use crate::raw::{Endpoint, Plan, Running};
use crate::service::finish;
use crate::{Body, BoxError, Outcome, RequestBody, ResponseBody};

/// How the inner part of a chain has ended so far, in the response's extensions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended(pub(crate) Outcome);

/// All that is inside of a tower layer in a chain, as one service.
pub struct Rest(Box<dyn AnyService>);

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

trait AnyService: Send + Sync {
    fn clone_box(&self) -> Box<dyn AnyService>;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>>;
    fn call(&mut self, request: Request<RequestBody>) -> Boxed<Response<Body>>;
}

impl Rest {
    pub(crate) fn new<S, R>(service: S) -> Self
    where
        S: Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        R: HttpBody<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        Self(Box::new(Erased(service)))
    }
}

impl Clone for Rest {
    fn clone(&self) -> Self {
        Self(self.0.clone_box())
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").finish_non_exhaustive()
    }
}

/// Layers may change the body on its way in.
impl<B> Service<Request<B>> for Rest
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Boxed<Response<Body>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.call(request.map(RequestBody::new))
    }
}

#[derive(Clone)]
struct Erased<S>(S);

impl<S, R> AnyService for Erased<S>
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    fn clone_box(&self) -> Box<dyn AnyService> {
        Box::new(self.clone())
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Boxed<Response<Body>> {
        let called = self.0.call(request);
        Box::pin(async move { Ok(called.await.map_err(Into::into)?.map(Body::new)) })
    }
}

/// The members between two tower layers, or after the last one, around what is inside of them.
#[derive(Debug, Clone)]
pub(crate) struct Segment<S> {
    pub(crate) plan: Arc<Plan>,
    pub(crate) inside: S,
    /// Another tower layer comes next.
    pub(crate) is_at_boundary: bool,
}

impl<S, R> Service<Request<RequestBody>> for Segment<S>
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = BoxError;
    type Future = SegmentFuture<S, S::Future, R>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let (inside, is_at_boundary) = (self.inside.clone(), self.is_at_boundary);
        let call = || Call::new(inside, body).at_boundary(is_at_boundary);
        let mut running = Running::new(Arc::clone(&self.plan), parts, call);
        running.parts().0.take_known();
        SegmentFuture(Some(running))
    }
}

pub(crate) struct SegmentFuture<S, F, R>(Option<Running<Call<S, F, R>>>);

// What must not move lies in the frame.
impl<S, F, R> Unpin for SegmentFuture<S, F, R> {}

impl<S, F, R> Future for SegmentFuture<S, F, R>
where
    S: 'static,
    F: 'static,
    R: HttpBody<Data = Bytes> + 'static,
    R::Error: Into<BoxError>,
    Call<S, F, R>: Endpoint,
{
    type Output = Result<Response<ResponseBody<R>>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let running = self.0.as_mut().expect("polled after it was ready");
        let result = ready!(running.poll(cx));
        let outcome = running.parts().0.outcome();
        let mut running = self.0.take().expect("it was there a moment ago");
        if let Err(error) = result {
            running.parts().0.set_outcome(error.outcome());
            let mut frame = running.into_frame();
            frame.set_exit(error.outcome(), 0);
            return Poll::Ready(Err(error.into_boxed()));
        }
        let mut response = finish(running, ResponseBody::foreign);
        if let Some(outcome) = outcome {
            response.extensions_mut().insert(Ended(outcome));
        }
        Poll::Ready(Ok(response))
    }
}

/// A tower layer, whatever its types.
pub(crate) trait AnyLayer: Send + Sync {
    fn wrap(&self, rest: Rest) -> Rest;
}

impl<L, R> AnyLayer for Typed<L, R>
where
    L: Layer<Rest> + Send + Sync + 'static,
    L::Service:
        Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request<RequestBody>>>::Future: Send + 'static,
    <L::Service as Service<Request<RequestBody>>>::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    fn wrap(&self, rest: Rest) -> Rest {
        Rest::new(self.0.layer(rest))
    }
}

/// The body that a layer gives is a part of what it is.
pub(crate) struct Typed<L, R>(pub(crate) L, pub(crate) std::marker::PhantomData<fn() -> R>);
