//! What grows with bodies, and with requests under way.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bench::{Operation, Row, on_tokio};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use middleware_chain::{AccessLog, BodyLimit, CatchPanic, Chain, Timeout};
use tower::{Layer, Service, ServiceExt};

use crate::service::Hello;
use crate::shipped::Null;

/// As a server reads them from a socket.
const FRAME: usize = 16 * 1024;
const LIMIT: Duration = Duration::from_mins(1);

pub(crate) fn rows() -> [Row; 2] {
    [bodies(), under_way()]
}

/// A body of so many KiB each way, through all members that look at bodies.
fn bodies() -> Row {
    Row::new("a body there and back, by KiB")
        .sizes([1, 1024, 65_536])
        .ours("log, limit, timeout", |kib| {
            exchanged(watched().layer(Back), kib)
        })
        .peer("the service alone", |kib| exchanged(Back, kib))
}

/// Peak memory shows what one under way holds.
fn under_way() -> Row {
    Row::new("one request beside so many under way")
        .levels([1, 100, 10_000])
        .ours("log, limit, timeout", beside)
}

fn watched() -> Chain {
    let chain = Chain::builder()
        .hook(AccessLog::logfmt(Null))
        .with(CatchPanic::new())
        .with(Timeout::total(LIMIT).idle(LIMIT).request_idle(LIMIT))
        .with(BodyLimit::bytes(u64::MAX));
    chain.build().expect("a chain")
}

async fn ask<S, B, R>(service: &S, body: B) -> Response<R>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    let answer = service.clone().oneshot(Request::new(body)).await;
    answer.ok().expect("it answers")
}

fn exchanged<S, R>(service: S, kib: u64) -> impl Operation
where
    S: Service<Request<Blob>, Response = Response<R>> + Clone,
    R: Body<Data = Bytes> + Unpin,
{
    on_tokio(async move || {
        async move || {
            let answer = ask(&service, Blob::of(kib * 1024)).await;
            drain(answer.into_body()).await
        }
    })
}

/// Answers whose bodies nobody has asked for yet, and one after another beside them.
fn beside(others: u64) -> impl Operation {
    on_tokio(async move || {
        let service = watched().layer(Hello);
        let mut held = Vec::new();
        for _ in 0..others {
            held.push(ask(&service, Empty::<Bytes>::new()).await);
        }
        async move || {
            let _under_way = &held;
            drain(ask(&service, Empty::<Bytes>::new()).await.into_body()).await
        }
    })
}

async fn drain(mut body: impl Body<Data = Bytes> + Unpin) -> u64 {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.ok().expect("it does not break");
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    bytes
}

/// So many bytes, in frames.
pub(crate) struct Blob(u64);

impl Blob {
    const fn of(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl Body for Blob {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        static ZEROS: [u8; FRAME] = [0; FRAME];
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        let bytes = usize::try_from(self.0).map_or(FRAME, |left| left.min(FRAME));
        self.0 -= bytes as u64;
        let data = Bytes::from_static(&ZEROS[..bytes]);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0 == 0
    }
}

/// Reads a body, and answers with one of that size.
#[derive(Clone)]
struct Back;

impl<B> Service<Request<B>> for Back
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
{
    type Response = Response<Blob>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(async { Ok(Response::new(Blob::of(drain(request.into_body()).await))) })
    }
}
