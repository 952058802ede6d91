//! Members at their limits.

mod support;

use std::convert::Infallible;
use std::io::{self, Write};
use std::panic::panic_any;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use middleware_chain::{
    AccessLog, CatchPanic, Chain, Concurrency, Error, Exchange, Flow, Hook, Middleware, Next,
    Outcome, ProblemJson, Result, Timeout,
};
use tower::{Layer, ServiceExt};

use support::{Boxed, get, ok, reads, service, text};

#[tokio::test]
async fn a_time_that_never_comes_is_no_bound() {
    const EVER: Duration = Duration::MAX;
    for timeout in [
        Timeout::total(EVER).idle(EVER).request_idle(EVER),
        Timeout::head(EVER),
    ] {
        let chain = Chain::builder().with(timeout).build().expect("a chain");
        let request = get("/").map(|_| support::Later::default());
        let response = chain.layer(reads()).oneshot(request).await;
        let response = response.expect("never fails");
        assert_eq!(response.status(), StatusCode::OK, "{timeout:?}");
        assert_eq!(text(response).await, "ok", "{timeout:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_tried_again_takes_one_slot() {
    async fn thrice(cx: &mut Exchange, mut next: Next<'_>) -> Result {
        for _ in 0..2 {
            let _given_up = next.attempt(cx).await?;
        }
        next.run(cx).await
    }
    for limit in [
        Concurrency::limit(1),
        Concurrency::limit(1).shed_after(Duration::from_secs(1)),
    ] {
        let chain = Chain::builder().with(thrice).with(limit.clone()).build();
        let service = chain.expect("a chain").layer(ok("x"));
        let answer = service
            .clone()
            .oneshot(get("/"))
            .await
            .expect("never fails");
        assert_eq!(answer.status(), StatusCode::OK, "{limit:?}");
        // It is held to the last byte, and then there again.
        let other = service
            .clone()
            .oneshot(get("/"))
            .await
            .expect("never fails");
        assert_eq!(other.status(), StatusCode::SERVICE_UNAVAILABLE, "{limit:?}");
        text(answer).await;
        let other = service.oneshot(get("/")).await.expect("never fails");
        assert_eq!(other.status(), StatusCode::OK, "{limit:?}");
    }
}

/// Panics at the first line.
#[derive(Clone, Default)]
struct Stumbles(Arc<Mutex<Option<Vec<u8>>>>);

impl Write for Stumbles {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lines = &mut self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = lines.is_none();
        lines.get_or_insert_default();
        assert!(!is_first, "the disk is on fire");
        lines.get_or_insert_default().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_writer_that_panics_once_does_not_end_the_log() {
    let lines = Stumbles::default();
    let log = AccessLog::logfmt(Mutex::new(lines.clone()));
    let chain = Chain::builder().hook(log).build().expect("a chain");
    for _ in 0..3 {
        let answer = chain.layer(ok("x")).oneshot(get("/")).await;
        text(answer.expect("never fails")).await;
    }
    let lines = lines
        .0
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let lines = String::from_utf8(lines.unwrap_or_default()).expect("text");
    assert_eq!(lines.matches(" outcome=complete ").count(), 2, "{lines}");
}

/// What somebody has thrown that cannot even be dropped.
struct Hot;

impl Drop for Hot {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

/// A future that panics when it is polled, and when it is dropped.
struct PanicsTwice;

impl Future for PanicsTwice {
    type Output = std::result::Result<Response<Full<Bytes>>, Infallible>;

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Self::Output> {
        panic!("polled");
    }
}

impl Drop for PanicsTwice {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

/// Throws it at the end.
struct Throws;

impl Hook for Throws {
    type State = ();

    fn end(&self, (): &mut (), _exit: &middleware_chain::Exit<'_>) {
        panic_any(Hot);
    }
}

#[tokio::test]
async fn a_panic_that_panics_again_when_it_is_dropped_is_caught_too() {
    let ends = support::Ends::default();
    let chain = Chain::builder()
        .hook(ends.hook())
        .hook(Throws)
        .with(CatchPanic::new())
        .build()
        .expect("a chain");
    let thrower = service(async |_request| panic_any(Hot));
    let twice = Boxed::new(tower::service_fn(|_request| PanicsTwice));
    for thrower in [thrower, twice] {
        let answer = chain.layer(thrower).oneshot(get("/")).await;
        let answer = answer.expect("never fails");
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        text(answer).await;
        assert_eq!(ends.take(), [(Outcome::Panic, 500)]);
    }
}

#[tokio::test]
async fn a_problem_has_the_detail_of_its_own_error_only() {
    struct Pass;

    impl Hook for Pass {
        type State = ();

        fn before(&self, (): &mut (), _cx: &mut Exchange) -> Flow {
            Flow::Continue(())
        }
    }

    /// Says this status, whatever was said inside.
    struct Hides(u16);

    impl Middleware for Hides {
        async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
            let _refused = next.run(cx).await?;
            Ok(cx.answer(Response::builder().status(self.0).body("")?))
        }
    }

    async fn refuse(_cx: &mut Exchange, _next: Next<'_>) -> Result {
        Err(Error::status(StatusCode::FORBIDDEN).detail("It is there, but not for you."))
    }

    for (status, expected) in [
        (
            404,
            r#"{"type":"about:blank","title":"Not Found","status":404}"#,
        ),
        (
            403,
            r#"{"type":"about:blank","title":"Forbidden","status":403}"#,
        ),
    ] {
        let chain = Chain::builder()
            .with(ProblemJson::new())
            .with(Hides(status))
            .hook(Pass)
            .with(refuse)
            .build()
            .expect("a chain");
        let answer = chain.layer(ok("x")).oneshot(get("/")).await;
        let problem = text(answer.expect("never fails")).await;
        assert_eq!(problem, expected);
    }
}

#[tokio::test]
async fn what_an_earlier_try_has_ended_in_is_not_told_of_a_later_one() {
    async fn twice(cx: &mut Exchange, mut next: Next<'_>) -> Result {
        let _given_up = next.attempt(cx).await?;
        next.run(cx).await
    }

    async fn refuse(_cx: &mut Exchange, _next: Next<'_>) -> Result {
        Err(Error::status(StatusCode::INTERNAL_SERVER_ERROR).detail("Of the first try."))
    }

    /// Lets the first request pass, and answers the others.
    struct Once(AtomicUsize, StatusCode);

    impl Hook for Once {
        type State = ();

        fn before(&self, (): &mut (), _cx: &mut Exchange) -> Flow {
            if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
                return Flow::Continue(());
            }
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = self.1;
            Flow::Break(response)
        }
    }

    for (status, expected) in [
        (StatusCode::OK, ""),
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            r#"{"type":"about:blank","title":"Internal Server Error","status":500}"#,
        ),
    ] {
        let ends = support::Ends::default();
        let chain = Chain::builder()
            .hook(ends.hook())
            .with(ProblemJson::new())
            .with(twice)
            .hook(Once(AtomicUsize::new(0), status))
            .with(refuse)
            .build()
            .expect("a chain");
        let answer = chain.layer(ok("x")).oneshot(get("/")).await;
        assert_eq!(text(answer.expect("never fails")).await, expected);
        assert_eq!(ends.take(), [(Outcome::Complete, status.as_u16())]);
    }
}

/// A body of two frames that panics at one of its methods, from the `nth` call of it on.
#[derive(Debug, Clone)]
struct Tells {
    panics: &'static str,
    nth: usize,
    calls: Arc<AtomicUsize>,
    frames: usize,
}

impl Tells {
    fn called(&self, what: &str) {
        if what == self.panics {
            let calls = self.calls.fetch_add(1, Ordering::SeqCst);
            assert!(calls < self.nth, "in {what}");
        }
    }
}

impl Body for Tells {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        self.called("poll_frame");
        let is_over = self.frames == 0;
        self.frames = self.frames.saturating_sub(1);
        Poll::Ready((!is_over).then(|| Ok(Frame::data(Bytes::from("x")))))
    }

    fn is_end_stream(&self) -> bool {
        self.called("is_end_stream");
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.called("size_hint");
        SizeHint::default()
    }
}

#[tokio::test]
async fn a_body_may_panic_in_whatever_it_is_asked() {
    for (panics, nth) in [
        ("is_end_stream", 0),
        ("is_end_stream", 1),
        ("is_end_stream", 2),
        ("size_hint", 0),
        ("size_hint", 1),
        ("size_hint", 2),
        ("poll_frame", 0),
        ("poll_frame", 1),
        ("poll_frame", 2),
    ] {
        let ends = support::Ends::default();
        let chain = Chain::builder()
            .hook(ends.hook())
            .with(CatchPanic::new())
            .build()
            .expect("a chain");
        let body = Tells {
            panics,
            nth,
            calls: Arc::default(),
            frames: 2,
        };
        let service = tower::service_fn(move |_request| {
            std::future::ready(Ok::<_, Infallible>(Response::new(body.clone())))
        });
        let answer = chain.layer(service).oneshot(get("/")).await;
        let mut body = answer.expect("never fails").into_body();
        // As a server does.
        let error = loop {
            if body.is_end_stream() {
                break None;
            }
            let _hint = body.size_hint();
            match body.frame().await {
                None => break None,
                Some(Ok(_)) => {}
                Some(Err(error)) => break Some(error),
            }
        };
        let error = error.unwrap_or_else(|| panic!("{panics} {nth}: no error"));
        let status = Error::find(&*error).map(Error::status_code);
        assert_eq!(status, Some(StatusCode::INTERNAL_SERVER_ERROR));
        drop(body);
        assert_eq!(ends.take(), [(Outcome::Panic, 200)], "{panics} {nth}");
    }
}

#[tokio::test]
async fn hooks_of_an_earlier_try_are_told_how_it_ended() {
    async fn thrice(cx: &mut Exchange, mut next: Next<'_>) -> Result {
        let _ = next.attempt(cx).await;
        // Given up before it is ready.
        std::future::poll_fn(|task| {
            let polled = pin!(next.attempt(cx)).poll(task);
            assert!(polled.is_pending());
            Poll::Ready(())
        })
        .await;
        next.run(cx).await
    }

    /// Fails, then waits, then lets pass.
    #[derive(Default)]
    struct Flaky(AtomicUsize);

    impl Middleware for Flaky {
        async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => Err(Error::status(StatusCode::INTERNAL_SERVER_ERROR)),
                1 => std::future::pending().await,
                _ => next.run(cx).await,
            }
        }
    }

    let ends = support::Ends::default();
    let chain = Chain::builder()
        .with(thrice)
        .hook(ends.hook())
        .with(Flaky::default());
    let service = chain.build().expect("a chain").layer(ok("x"));
    let answer = service.oneshot(get("/")).await.expect("never fails");
    assert_eq!(text(answer).await, "x");
    let outcomes: Vec<_> = ends
        .take()
        .into_iter()
        .map(|(outcome, _)| outcome)
        .collect();
    assert_eq!(
        outcomes,
        [Outcome::Error, Outcome::Aborted, Outcome::Complete]
    );
}

/// A body that panics when it is asked for the first time, and says that it is over from then on.
#[derive(Debug, Clone, Default)]
struct Recovers(Arc<AtomicUsize>);

impl Body for Recovers {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        assert!(self.0.fetch_add(1, Ordering::SeqCst) > 0, "the first time");
        true
    }
}

#[tokio::test]
async fn a_body_that_has_panicked_when_asked_is_not_over() {
    for is_read in [true, false] {
        let ends = support::Ends::default();
        let chain = Chain::builder().hook(ends.hook()).with(CatchPanic::new());
        let service = tower::service_fn(async |_request| {
            Ok::<_, Infallible>(Response::new(Recovers::default()))
        });
        let service = chain.build().expect("a chain").layer(service);
        let answer = service.oneshot(get("/")).await.expect("never fails");
        let mut body = answer.into_body();
        assert!(!body.is_end_stream());
        if is_read {
            let error = body.frame().await.expect("an error");
            assert!(error.is_err());
        }
        drop(body);
        assert_eq!(ends.take(), [(Outcome::Panic, 200)], "{is_read}");
    }
}
