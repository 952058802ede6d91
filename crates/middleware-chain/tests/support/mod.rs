//! Services, members that keep a journal, and bodies.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary needs a part of it"
)]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use middleware_chain::{
    Exchange, Exit, Flow, Hook, Middleware, Next, Outcome, RequestBody, Result, Sink,
};
use tokio::time::{Sleep, sleep};
use tower::Service;
use tower::util::BoxCloneSyncService;

pub type Answer = (StatusCode, &'static str, &'static str);
pub type Boxed = BoxCloneSyncService<Request<RequestBody>, Response<Full<Bytes>>, Infallible>;

pub fn get(path: &str) -> Request<Full<Bytes>> {
    let request = Request::get(path).header("host", "ours.example");
    request.body(Full::default()).expect("a request")
}

pub async fn text<B: Body<Data = Bytes>>(response: Response<B>) -> String
where
    B::Error: std::fmt::Debug,
{
    let bytes = response.into_body().collect().await.expect("a body");
    String::from_utf8(bytes.to_bytes().into()).expect("text")
}

pub fn service<F, A>(handler: F) -> Boxed
where
    F: Fn(Request<RequestBody>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    BoxCloneSyncService::new(tower::service_fn(move |request| {
        let answer = handler(request);
        async move {
            let (status, content_type, text) = answer.await;
            let response = Response::builder().status(status);
            let response = response.header("content-type", content_type);
            Ok(response.body(Full::from(text)).expect("a response"))
        }
    }))
}

pub fn ok(text: &'static str) -> Boxed {
    service(move |_| std::future::ready((StatusCode::OK, "text/plain", text)))
}

pub async fn hang() -> Answer {
    std::future::pending().await
}

/// Reads its request, and says what has come of it.
pub fn reads() -> Boxed {
    service(async |request| match request.into_body().collect().await {
        Ok(_) => (StatusCode::OK, "text/plain", "ok"),
        Err(_) => (StatusCode::BAD_REQUEST, "text/plain", "error"),
    })
}

/// As `reads`, with a document of its own for what a member says of the body.
pub fn reads_and_tells() -> Boxed {
    service(async |request| {
        let Err(error) = request.into_body().collect().await else {
            return (StatusCode::OK, "text/plain", "ok");
        };
        let found = middleware_chain::Error::find(&*error);
        let status = found.map(middleware_chain::Error::status_code);
        (
            status.unwrap_or(StatusCode::BAD_REQUEST),
            "application/problem+json",
            "its own",
        )
    })
}

/// One frame, then nothing for ever.
#[derive(Debug, Clone, Copy)]
pub struct Stalled;

impl Body for Stalled {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

pub fn stalls() -> BoxCloneSyncService<Request<RequestBody>, Response<Stalled>, Infallible> {
    BoxCloneSyncService::new(tower::service_fn(async |_| Ok(Response::new(Stalled))))
}

/// Panics when it is called without having been ready. Readiness takes two polls, is used up by a
/// call, and is not passed to a clone.
#[derive(Debug, Default)]
pub struct Strict {
    polls: usize,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<RequestBody>> for Strict {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<std::result::Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        self.polls += 1;
        if self.polls == 1 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request<RequestBody>) -> Self::Future {
        let polls = std::mem::take(&mut self.polls);
        assert!(polls > 1, "called before it was ready");
        std::future::ready(Ok(Response::default()))
    }
}

#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    pub fn hook(&self, name: &str) -> Noted {
        Noted(self.clone(), name.to_owned())
    }

    pub fn middleware(&self, name: &str) -> Noted {
        self.hook(name)
    }

    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }

    pub fn note(&self, what: String) {
        self.0.lock().expect("no panic").push(what);
    }
}

pub struct Noted(Journal, String);

impl Hook for Noted {
    type State = ();

    fn before(&self, (): &mut (), _cx: &mut Exchange) -> Flow {
        self.0.note(self.1.clone());
        Flow::Continue(())
    }

    fn after(&self, (): &mut (), _cx: &mut Exchange) {
        self.0.note(format!("{}'", self.1));
    }

    fn end(&self, (): &mut (), exit: &Exit<'_>) {
        self.0.note(format!("{} {}", self.1, exit.outcome()));
    }
}

impl Middleware for Noted {
    async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
        self.0.note(self.1.clone());
        let done = next.run(cx).await?;
        self.0.note(format!("{}'", self.1));
        Ok(done)
    }
}

/// How requests ended, and with which status.
#[derive(Clone, Default)]
pub struct Ends(Arc<Mutex<Vec<(Outcome, u16)>>>);

impl Ends {
    pub fn hook(&self) -> EndsHook {
        EndsHook(self.clone())
    }

    pub fn take(&self) -> Vec<(Outcome, u16)> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

pub struct EndsHook(Ends);

impl Hook for EndsHook {
    type State = ();

    fn end(&self, (): &mut (), exit: &Exit<'_>) {
        let status = exit.status().map_or(0, |status| status.as_u16());
        let mut ends = self.0.0.lock().expect("no panic");
        ends.push((exit.outcome(), status));
    }
}

#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    pub fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().expect("no panic"));
        String::from_utf8(bytes).expect("text")
    }
}

impl Sink for Lines {
    fn write(&self, line: &[u8]) {
        self.0.lock().expect("no panic").extend(line);
    }
}

/// Nothing at the first poll, then one frame.
#[derive(Debug, Default)]
pub struct Later {
    polls: usize,
}

impl Body for Later {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        self.polls += 1;
        match self.polls {
            1 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            2 => Poll::Ready(Some(Ok(Frame::data(Bytes::from("x"))))),
            _ => Poll::Ready(None),
        }
    }
}

/// A frame at once, and another one after a while.
#[derive(Debug)]
pub struct Delayed {
    sent: usize,
    second: Pin<Box<Sleep>>,
}

impl Delayed {
    pub fn by(delay: Duration) -> Self {
        let second = Box::pin(sleep(delay));
        Self { sent: 0, second }
    }
}

impl Body for Delayed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        match self.sent {
            0 => {}
            1 => std::task::ready!(self.second.as_mut().poll(cx)),
            _ => return Poll::Ready(None),
        }
        self.sent += 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from("x")))))
    }
}
