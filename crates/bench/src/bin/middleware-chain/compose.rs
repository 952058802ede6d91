//! What one more member costs that does nothing but touch both heads.

use std::convert::Infallible;
use std::fmt::Debug;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::middleware::from_fn;
use bench::{Fact, Row};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use middleware_chain::{Chain, Exchange, Flow, Hook, Member, Next};
use pin_project_lite::pin_project;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder};

use crate::service::{Hello, asked, asked_with};

const MEMBERS: usize = 20;

pub(crate) fn rows() -> [Row; 4] {
    [nothing(), middleware(), hooks(), sizes()]
}

/// What there is to pay before the first member.
fn nothing() -> Row {
    Row::new("no member")
        .ours("empty chain", |_| asked(chain_of(0).layer(Hello)))
        .peer("the service alone", |_| asked(Hello))
}

/// The same as what is paid per member, the request and the service included.
fn middleware() -> Row {
    Row::new("do-nothing middleware, all of it per member")
        .sizes([MEMBERS as u64])
        .ours("chain, async fn", |_| asked(chain_of(MEMBERS).layer(Hello)))
        .peer("ServiceBuilder, static", |_| asked(stack()))
        .peer("BoxCloneSyncService", |_| asked(boxed()))
        .peer("axum from_fn", |_| {
            asked_with(from_fns(), axum::body::Body::empty)
        })
}

fn hooks() -> Row {
    Row::new("do-nothing hooks, all of it per member")
        .sizes([MEMBERS as u64])
        .ours("chain, hooks", |_| {
            let chain = (0..MEMBERS).fold(Chain::builder(), |chain, nth| {
                chain.member(Member::hook(TouchHook).named(nth.to_string()))
            });
            asked(chain.build().expect("a chain").layer(Hello))
        })
        .peer("ServiceBuilder, static", |_| asked(stack()))
}

fn sizes() -> Row {
    Row::new("do-nothing middleware, so many")
        .sizes([1, 5, 20, 60])
        .ours("chain, async fn", |size| {
            asked(chain_of(usize::try_from(size).expect("it is small")).layer(Hello))
        })
}

pub(crate) fn frame() -> Fact {
    Fact::new("bytes of the frame of a chain of 20 members").of("chain, async fn", || {
        let bytes = u32::try_from(chain_of(MEMBERS).frame_bytes());
        f64::from(bytes.expect("it is small"))
    })
}

fn chain_of(members: usize) -> Chain {
    let touch = async |cx: &mut Exchange, next: Next<'_>| {
        black_box(cx.request());
        let done = next.run(cx).await?;
        black_box(cx.response());
        Ok(done)
    };
    let chain = (0..members).fold(Chain::builder(), |chain, nth| {
        chain.named(&nth.to_string(), touch)
    });
    chain.build().expect("a chain")
}

struct TouchHook;

impl Hook for TouchHook {
    type State = ();

    fn before(&self, (): &mut (), cx: &mut Exchange) -> Flow {
        black_box(cx.request());
        Flow::Continue(())
    }

    fn after(&self, (): &mut (), cx: &mut Exchange) {
        black_box(cx.response());
    }
}

/// The same as a tower layer with a future of its own.
#[derive(Clone)]
struct Touch<S>(S);

#[derive(Clone)]
struct TouchLayer;

impl<S> Layer<S> for TouchLayer {
    type Service = Touch<S>;

    fn layer(&self, inner: S) -> Touch<S> {
        Touch(inner)
    }
}

impl<S, B, R> Service<Request<B>> for Touch<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = TouchFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(&request);
        TouchFuture {
            inner: self.0.call(request),
        }
    }
}

pin_project! {
    struct TouchFuture<F> {
        #[pin]
        inner: F,
    }
}

impl<F: Future<Output = Result<Response<R>, E>>, R, E> Future for TouchFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().inner.poll(cx));
        black_box(&response);
        Poll::Ready(response)
    }
}

/// Twenty layers whose types are known.
fn stack()
-> impl Service<Request<Empty<Bytes>>, Response = Response<Full<Bytes>>, Error: Debug> + Clone {
    macro_rules! with {
        ($builder:expr; $($nth:literal)*) => { $builder$(.layer({ let _: u8 = $nth; TouchLayer }))* };
    }
    with!(ServiceBuilder::new(); 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20).service(Hello)
}

type Boxed<B, R> = BoxCloneSyncService<Request<B>, Response<R>, Infallible>;

fn boxed() -> Boxed<Empty<Bytes>, Full<Bytes>> {
    (0..MEMBERS).fold(BoxCloneSyncService::new(Hello), |inner, _| {
        BoxCloneSyncService::new(Touch(inner))
    })
}

fn from_fns() -> Boxed<axum::body::Body, axum::body::Body> {
    async fn touch(
        request: axum::extract::Request,
        next: axum::middleware::Next,
    ) -> axum::response::Response {
        black_box(&request);
        let response = next.run(request).await;
        black_box(&response);
        response
    }
    let first = BoxCloneSyncService::new(from_fn(touch).layer(Hello));
    (1..MEMBERS).fold(first, |inner, _| {
        BoxCloneSyncService::new(from_fn(touch).layer(inner))
    })
}
