//! What all stacks stand around, and how they are asked.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::task::{Context, Poll};

use bench::{Operation, on_tokio};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full};
use tower::{Service, ServiceExt};

/// Answers at once.
#[derive(Clone)]
pub(crate) struct Hello;

impl<B> Service<Request<B>> for Hello {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(&request);
        ready(Ok(Response::new(Full::new(Bytes::from_static(b"hello")))))
    }
}

/// Requests with a few headers, of which the answer's head is awaited and its body read.
pub(crate) fn asked<S, R>(service: S) -> impl Operation
where
    S: Service<Request<Empty<Bytes>>, Response = Response<R>> + Clone,
    R: Body<Data = Bytes>,
{
    asked_with(service, Empty::new)
}

/// The same with another kind of body.
pub(crate) fn asked_with<S, B, R>(service: S, body: impl Fn() -> B) -> impl Operation
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Body<Data = Bytes>,
{
    on_tokio(async move || {
        async move || {
            let mut request = Request::new(body());
            *request.uri_mut() = Uri::from_static("/users/7?page=2");
            let headers = request.headers_mut();
            headers.insert(header::HOST, HeaderValue::from_static("example.com"));
            headers.insert(header::USER_AGENT, HeaderValue::from_static("bench/1.0"));
            let answer = service.clone().oneshot(request).await;
            let collected = match answer {
                Ok(answer) => answer.into_body().collect().await.ok(),
                Err(_) => None,
            };
            collected.expect("it answers").to_bytes().len()
        }
    })
}
