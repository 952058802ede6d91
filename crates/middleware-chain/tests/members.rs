//! Members at their limits.

mod support;

use std::convert::Infallible;
use std::io::{self, Write};
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use middleware_chain::{
    AccessLog, CatchPanic, Chain, Concurrency, Error, Exchange, Flow, Hook, Middleware, Next,
    ProblemJson, Result, Timeout,
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
        assert_eq!(ends.take(), [(middleware_chain::Outcome::Panic, 500)]);
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
