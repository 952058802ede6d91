//! The chain around a service.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode, response};
use http_body::Body as HttpBody;
use tower_service::Service;

use crate::body::Ending;
use crate::boundary::Rest;
use crate::call::Call;
use crate::raw::{Endpoint, Plan, Running};
use crate::{Body, BoxError, Outcome, RequestBody, ResponseBody};

/// A service behind a [`Chain`](crate::Chain). It is always ready: a request that the chain lets
/// through waits for the service inside to be. It never fails: an error that no member has
/// rendered is an empty response with its status.
pub struct ChainService<S>(Arc<Shared<S>>);

/// What all clones share: servers clone a service for each request.
struct Shared<S> {
    plan: Arc<Plan>,
    inside: Inside<S>,
}

enum Inside<S> {
    Service(S),
    /// There is a tower layer on the way to it.
    Layered(Rest),
}

impl<S> ChainService<S> {
    pub(crate) fn new(plan: Arc<Plan>, service: S) -> Self {
        let inside = Inside::Service(service);
        Self(Arc::new(Shared { plan, inside }))
    }

    pub(crate) fn layered(plan: Arc<Plan>, rest: Rest) -> Self {
        let inside = Inside::Layered(rest);
        Self(Arc::new(Shared { plan, inside }))
    }
}

impl<S> Clone for ChainService<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S, B, R> Service<Request<B>> for ChainService<S>
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = Infallible;
    type Future = ResponseFuture<S, S::Future, R>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let body = RequestBody::new(body);
        let plan = Arc::clone(&self.0.plan);
        ResponseFuture(match &self.0.inside {
            Inside::Service(service) => {
                let service = service.clone();
                let call = || Call::new(service, body);
                Way::Service(Some(Running::new(plan, parts, call)))
            }
            Inside::Layered(rest) => {
                let rest = rest.clone();
                let call = || Call::new(rest, body).at_boundary(true);
                Way::Layered(Some(Running::new(plan, parts, call)))
            }
        })
    }
}

impl<S> fmt::Debug for ChainService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainService")
            .field("plan", &self.0.plan)
            .finish_non_exhaustive()
    }
}

/// The answer of a [`ChainService`].
///
/// # Cancel safety
///
/// If it is dropped, so is what is under way, and the members learn that the request was aborted.
pub struct ResponseFuture<S, F, R>(Way<S, F, R>);

type RestFuture = <Rest as Service<Request<RequestBody>>>::Future;

enum Way<S, F, R> {
    Service(Option<Running<Call<S, F, R>>>),
    Layered(Option<Running<Call<Rest, RestFuture, Body>>>),
}

// Nothing in it is pinned: what must not move lies in the frame.
impl<S, F, R> Unpin for ResponseFuture<S, F, R> {}

impl<S, F, R> Future for ResponseFuture<S, F, R>
where
    S: Send + 'static,
    F: Send + 'static,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
    Call<S, F, R>: Endpoint,
{
    type Output = Result<Response<ResponseBody<R>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Way::Service(running) => poll(running, cx, ResponseBody::foreign),
            Way::Layered(running) => poll::<Rest, _, Body, R>(running, cx, ResponseBody::boxed),
        }
    }
}

#[inline]
fn poll<S, F, B, R>(
    running: &mut Option<Running<Call<S, F, B>>>,
    cx: &mut Context<'_>,
    wrap: impl FnOnce(B) -> ResponseBody<R>,
) -> Poll<Result<Response<ResponseBody<R>>, Infallible>>
where
    S: 'static,
    F: 'static,
    B: HttpBody + 'static,
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
    Call<S, F, B>: Endpoint,
{
    let way = running.as_mut().expect("polled after it was ready");
    let result = ready!(way.poll(cx));
    if let Err(error) = result {
        let _ = way.parts().0.fail(error);
    }
    let running = running.take().expect("it was there a moment ago");
    Poll::Ready(Ok(finish(running, wrap)))
}

/// Puts head and body together, and the frame beside the body, if somebody waits for the end.
#[inline]
pub(crate) fn finish<S, F, B, R>(
    mut running: Running<Call<S, F, B>>,
    wrap: impl FnOnce(B) -> ResponseBody<R>,
) -> Response<ResponseBody<R>>
where
    S: 'static,
    F: 'static,
    B: HttpBody + 'static,
    R: HttpBody<Data = Bytes>,
    R::Error: Into<BoxError>,
    Call<S, F, B>: Endpoint,
{
    let (exchange, call) = running.parts();
    let foreign = call.finish();
    let own = exchange.own_body.take();
    let head = exchange.response.take().unwrap_or_else(no_head);
    let mut body = match (own, foreign) {
        (None, Some(body)) => wrap(body),
        (own, _) => ResponseBody::own(own.unwrap_or_default()),
    };
    let mut frame = running.into_frame();
    if !frame.has_to_stay() {
        frame.set_exit(Outcome::Complete, 0);
        return Response::from_parts(head, body);
    }
    body.end_with(Ending::new(frame, &head));
    Response::from_parts(head, body)
}

/// Only a `Done` of another request can get this far.
#[cold]
fn no_head() -> response::Parts {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.into_parts().0
}

impl<S, F, R> fmt::Debug for ResponseFuture<S, F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
