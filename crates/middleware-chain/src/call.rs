//! The service inside, and one call of it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::boundary::Ended;
use crate::raw::Endpoint;
use crate::{BoxError, Error, Exchange, RequestBody, Result};

pin_project! {
    /// A clone of the service for one request. It is made ready and called as one and the same
    /// instance, and only when the request has come this far.
    pub(crate) struct Call<S, F, R> {
        service: Option<S>,
        body: Option<RequestBody>,
        #[pin]
        future: Option<F>,
        answer: Option<R>,
        at_boundary: bool,
    }
}

impl<S, F, R> Call<S, F, R> {
    pub(crate) const fn new(service: S, body: RequestBody) -> Self {
        Self {
            service: Some(service),
            body: Some(body),
            future: None,
            answer: None,
            at_boundary: false,
        }
    }

    /// Whether a tower layer comes next, and more of the chain after it: what is known goes along.
    pub(crate) const fn at_boundary(mut self, is_so: bool) -> Self {
        self.at_boundary = is_so;
        self
    }

    /// The body of the service's answer, if that is still there. The service is let go.
    pub(crate) fn finish(self: Pin<&mut Self>) -> Option<R> {
        let this = self.project();
        *this.service = None;
        *this.body = None;
        this.answer.take()
    }
}

impl<S, R> Endpoint for Call<S, S::Future, R>
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Send,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: Send,
{
    fn poll_call(
        self: Pin<&mut Self>,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
    ) -> Poll<Result> {
        let mut this = self.project();
        if this.future.is_none() {
            let Some(service) = this.service else {
                unreachable!("the service is let go when the chain is through");
            };
            ready!(service.poll_ready(cx)).map_err(|error| Error::from_boxed(error.into()))?;
            let mut body = this.body.take().unwrap_or_else(RequestBody::empty);
            if let Some(meter) = body.bound(&exchange.body_rules) {
                exchange.meter = Some(meter);
            }
            if *this.at_boundary {
                exchange.pass_on_known();
            }
            let called = service.call(exchange.take_request(body));
            this.future.set(Some(called));
        }
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            unreachable!("it was set above");
        };
        let response = ready!(future.poll(cx)).map_err(|error| Error::from_boxed(error.into()))?;
        let (mut parts, body) = response.into_parts();
        *this.answer = Some(body);
        if !*this.at_boundary {
            return Poll::Ready(Ok(exchange.set_response(parts)));
        }
        let ended = parts.extensions.remove();
        let done = exchange.set_response(parts);
        if let Some(Ended(outcome)) = ended {
            exchange.set_outcome(outcome);
        }
        Poll::Ready(Ok(done))
    }

    fn stop(self: Pin<&mut Self>) {
        self.project().future.set(None);
    }
}
