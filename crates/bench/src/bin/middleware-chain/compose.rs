//! What one more member costs that does nothing but touch both heads.

use std::convert::Infallible;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::middleware::from_fn;
use bench::{Fact, Operation, Row};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use middleware_chain::{Chain, Exchange, Flow, Hook, Hooks, Member, Next};
use pin_project_lite::pin_project;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder};

use crate::safe::safe_chain;
use crate::service::{Hello, asked, asked_with};

pub(crate) const MEMBERS: usize = 20;

pub(crate) fn rows() -> [Row; 5] {
    [nothing(), middleware(), many(), boxes(), hooks()]
}

/// What there is to pay before the first member.
fn nothing() -> Row {
    Row::new("no member")
        .ours("empty chain", |_| asked(chain_of(0).layer(Hello)))
        .peer("the service alone", |_| asked(Hello))
}

/// What one more costs is the growth from one to twenty: the request, the service and the frame are
/// in both.
fn middleware() -> Row {
    Row::new("do-nothing middleware")
        .sizes([1, MEMBERS as u64])
        .ours("chain, async fn", |size| {
            asked(chain_of(count(size)).layer(Hello))
        })
        .peer("ServiceBuilder, static", stacked)
        .peer("BoxCloneSyncService", |size| asked(boxed(count(size))))
        .peer("axum from_fn", |size| {
            asked_with(from_fns(count(size)), axum::body::Body::empty)
        })
}

fn hooks() -> Row {
    Row::new("do-nothing hooks")
        .sizes([1, MEMBERS as u64])
        .ours("chain, hooks", |size| {
            let chain = (0..size).fold(Chain::builder(), |chain, nth| {
                chain.member(Member::hook(TouchHook).named(nth.to_string()))
            });
            asked(chain.build().expect("a chain").layer(Hello))
        })
        .ours("Hooks, static", |size| -> Box<dyn Operation> {
            let one = TouchHook;
            let ten = || Hooks::new((one, one, one, one, one, one, one, one, one, one));
            match size {
                1 => Box::new(asked(Hooks::new((one,)).layer(Hello))),
                _ => Box::new(asked(Hooks::new((ten(), ten())).layer(Hello))),
            }
        })
        .peer("ServiceBuilder, static", stacked)
}

/// Whether one more costs the same where there are many.
fn many() -> Row {
    Row::new("do-nothing middleware, beyond 20")
        .sizes([MEMBERS as u64, 60])
        .ours("chain, async fn", |size| {
            asked(chain_of(count(size)).layer(Hello))
        })
}

/// What the frame is for: the least that a chain without `unsafe` would cost.
fn boxes() -> Row {
    Row::new("a frame, or a box for each future")
        .sizes([1, MEMBERS as u64])
        .ours("chain, async fn", |size| {
            asked(chain_of(count(size)).layer(Hello))
        })
        .peer("boxes, no unsafe", |size| {
            asked(safe_chain(count(size), Hello))
        })
}

fn count(size: u64) -> usize {
    usize::try_from(size).expect("it is small")
}

pub(crate) fn frame() -> Fact {
    Fact::new("bytes of the frame of a chain of 20 members").of("chain, async fn", || {
        let bytes = u32::try_from(chain_of(MEMBERS).frame_bytes());
        f64::from(bytes.expect("it is small"))
    })
}

pub(crate) fn chain_of(members: usize) -> Chain {
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

#[derive(Clone, Copy)]
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
pub(crate) struct Touch<S>(S);

#[derive(Clone)]
pub(crate) struct TouchLayer;

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
    pub(crate) struct TouchFuture<F> {
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

/// One or twenty layers whose types are known.
fn stacked(size: u64) -> Box<dyn Operation> {
    macro_rules! with {
        ($builder:expr; $($nth:literal)*) => { $builder$(.layer({ let _: u8 = $nth; TouchLayer }))* };
    }
    if size == 1 {
        return Box::new(asked(with!(ServiceBuilder::new(); 1).service(Hello)));
    }
    let twenty = with!(
        ServiceBuilder::new(); 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20
    );
    Box::new(asked(twenty.service(Hello)))
}

type Boxed<B, R> = BoxCloneSyncService<Request<B>, Response<R>, Infallible>;

fn boxed(layers: usize) -> Boxed<Empty<Bytes>, Full<Bytes>> {
    (0..layers).fold(BoxCloneSyncService::new(Hello), |inner, _| {
        BoxCloneSyncService::new(Touch(inner))
    })
}

fn from_fns(layers: usize) -> Boxed<axum::body::Body, axum::body::Body> {
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
    (1..layers).fold(first, |inner, _| {
        BoxCloneSyncService::new(from_fn(touch).layer(inner))
    })
}
