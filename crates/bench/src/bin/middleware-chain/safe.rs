//! A chain without `unsafe`: the request stays in its place too, and the future of each member is in
//! a box. It has no hooks, no record and no rules for bodies: what it costs is the least that such a
//! chain would.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, request, response};
use tower::Service;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

struct Exchange {
    request: Option<request::Parts>,
    response: Option<response::Parts>,
}

trait Member: Send + Sync {
    fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Boxed<'a, ()>;
}

trait Endpoint: Send {
    fn call<'a>(&'a mut self, cx: &'a mut Exchange) -> Boxed<'a, ()>;
}

struct Next<'a> {
    rest: &'a [Arc<dyn Member>],
    endpoint: &'a mut dyn Endpoint,
}

impl<'a> Next<'a> {
    fn run<'b>(self, cx: &'b mut Exchange) -> Boxed<'b, ()>
    where
        'a: 'b,
    {
        let Self { rest, endpoint } = self;
        match rest.split_first() {
            Some((member, rest)) => member.handle(cx, Next { rest, endpoint }),
            None => endpoint.call(cx),
        }
    }
}

/// As the other members of the row: it touches both heads.
struct Touch;

impl Member for Touch {
    fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Boxed<'a, ()> {
        Box::pin(async move {
            black_box(&cx.request);
            next.run(cx).await;
            black_box(&cx.response);
        })
    }
}

struct Call<S, B, R> {
    service: S,
    body: Option<B>,
    answer: Option<R>,
}

impl<S, B, R> Endpoint for Call<S, B, R>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Send,
    S::Future: Send,
    B: Send,
    R: Send,
{
    fn call<'a>(&'a mut self, cx: &'a mut Exchange) -> Boxed<'a, ()> {
        Box::pin(async move {
            let (head, body) = (cx.request.take(), self.body.take());
            let (head, body) = head.zip(body).expect("it is called once");
            let called = self.service.call(Request::from_parts(head, body));
            let Ok(response) = called.await;
            let (head, body) = response.into_parts();
            cx.response = Some(head);
            self.answer = Some(body);
        })
    }
}

#[derive(Clone)]
pub(crate) struct SafeChain<S> {
    members: Arc<[Arc<dyn Member>]>,
    service: S,
}

/// So many members that do nothing around a service.
pub(crate) fn safe_chain<S>(members: usize, service: S) -> SafeChain<S> {
    let touch = || Arc::new(Touch) as Arc<dyn Member>;
    SafeChain {
        members: std::iter::repeat_with(touch).take(members).collect(),
        service,
    }
}

impl<S, B, R> Service<Request<B>> for SafeChain<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = Infallible;
    type Future = Boxed<'static, Result<Response<R>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (members, service) = (Arc::clone(&self.members), self.service.clone());
        let (head, body) = request.into_parts();
        Box::pin(async move {
            let mut cx = Exchange {
                request: Some(head),
                response: None,
            };
            let mut call = Call {
                service,
                body: Some(body),
                answer: None,
            };
            let next = Next {
                rest: &members,
                endpoint: &mut call,
            };
            next.run(&mut cx).await;
            let answer = cx.response.zip(call.answer);
            let (head, body) = answer.expect("each member calls on");
            Ok(Response::from_parts(head, body))
        })
    }
}
