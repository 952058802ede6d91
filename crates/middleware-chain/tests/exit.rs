//! What is known of a request when it is over.

mod support;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt;
use middleware_chain::{
    Body, BoxError, Chain, Error, Exchange, Exit, Flow, Hook, Outcome, RequestBody, Timeout,
};
use tokio::time::{Sleep, sleep};
use tower::{Layer, ServiceExt};

use support::{get, ok};

type Times = (Outcome, Option<Duration>, Option<Duration>);

/// Keeps the outcome, and the times of the first byte and of all.
#[derive(Clone, Default)]
struct Timed(Arc<Mutex<Vec<Times>>>);

impl Hook for Timed {
    type State = ();

    fn before(&self, (): &mut (), cx: &mut Exchange) -> Flow {
        cx.started();
        Flow::Continue(())
    }

    fn end(&self, (): &mut (), exit: &Exit<'_>) {
        let times = (exit.outcome(), exit.first_byte(), exit.total());
        self.0.lock().expect("no panic").push(times);
    }
}

/// Frames, each of which takes its time.
struct Slow(VecDeque<Pin<Box<Sleep>>>);

impl HttpBody for Slow {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(sleep) = self.0.front_mut() else {
            return Poll::Ready(None);
        };
        std::task::ready!(sleep.as_mut().poll(cx));
        self.0.pop_front();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from("x")))))
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_is_timed_before_the_rest_is_waited_for() {
    const HEAD: Duration = Duration::from_millis(5);
    const STEP: Duration = Duration::from_millis(10);
    // How many frames, whether they are read, and when all is over.
    for (frames, is_read, total) in [
        (2, true, HEAD + STEP + STEP),
        (1, true, HEAD + STEP),
        (0, true, HEAD),
        (2, false, HEAD + STEP),
    ] {
        let timed = Timed::default();
        let chain = Chain::builder().hook(timed.clone()).build();
        let service = tower::service_fn(move |_: Request<RequestBody>| async move {
            sleep(HEAD).await;
            let steps = (1..=frames).map(|nth| Box::pin(sleep(STEP * nth)));
            Ok::<_, BoxError>(Response::new(Slow(steps.collect())))
        });
        let answer = chain.expect("a chain").layer(service).oneshot(get("/"));
        let answer = answer.await.expect("never fails");
        let (outcome, first_byte) = if is_read {
            answer.into_body().collect().await.expect("no error");
            (Outcome::Complete, Some(HEAD))
        } else {
            tokio::time::advance(STEP).await;
            drop(answer);
            (Outcome::Aborted, None)
        };
        let told = timed.0.lock().expect("no panic").clone();
        let expected = [(outcome, first_byte, Some(total))];
        assert_eq!(told, expected, "{frames} frames");
    }
}

#[tokio::test(start_paused = true)]
async fn a_total_ends_a_body_that_always_has_more() {
    const TOTAL: Duration = Duration::from_secs(10);
    let timed = Timed::default();
    let chain = Chain::builder()
        .hook(timed.clone())
        .with(Timeout::total(TOTAL))
        .build();
    let service = tower::service_fn(async |_: Request<RequestBody>| {
        Ok::<_, BoxError>(Response::new(Endless))
    });
    let answer = chain.expect("a chain").layer(service).oneshot(get("/"));
    let mut body = answer.await.expect("never fails").into_body();
    let mut frames = 0;
    // A client that takes a second for each.
    let error = loop {
        match body.frame().await.expect("it has no end") {
            Ok(_) => frames += 1,
            Err(error) => break error,
        }
        assert!(frames < 20, "it goes on for ever");
        tokio::time::advance(Duration::from_secs(1)).await;
    };
    assert_eq!(frames, 10);
    let status = Error::find(&*error).map(Error::status_code);
    assert_eq!(status, Some(StatusCode::GATEWAY_TIMEOUT));
    drop(body);
    let told = timed.0.lock().expect("no panic").clone();
    assert_eq!(
        told,
        [(Outcome::Timeout, Some(Duration::ZERO), Some(TOTAL))]
    );
}

#[tokio::test]
async fn a_body_that_says_that_it_is_over_is_complete_when_nobody_asks_for_it() {
    let timed = Timed::default();
    let chain = Chain::builder().hook(timed.clone()).build();
    let service =
        tower::service_fn(async |_: Request<RequestBody>| Ok::<_, BoxError>(Response::new(Over)));
    let answer = chain.expect("a chain").layer(service).oneshot(get("/"));
    drop(answer.await.expect("never fails"));
    assert_eq!(timed.0.lock().expect("no panic")[0].0, Outcome::Complete);
}

/// Always has a frame more.
struct Endless;

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from("x")))))
    }
}

/// Is over from the beginning, and does not say how large it is.
struct Over;

impl HttpBody for Over {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        true
    }
}

/// A body that fails with an error of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("broken")
    }
}

impl std::error::Error for Broken {}

impl HttpBody for Broken {
    type Data = Bytes;
    type Error = Self;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self>>> {
        Poll::Ready(Some(Err(Self)))
    }
}

#[tokio::test]
async fn an_error_of_a_body_comes_out_as_what_it_was() {
    let timed = Timed::default();
    let chain = Chain::builder().hook(timed.clone()).build();
    let service = tower::service_fn(async |_: Request<RequestBody>| {
        Ok::<_, BoxError>(Response::new(Body::new(Broken)))
    });
    let answer = chain.expect("a chain").layer(service).oneshot(get("/"));
    let body = answer.await.expect("never fails").into_body();
    let error = body.collect().await.expect_err("it is broken");
    assert_eq!(error.downcast_ref(), Some(&Broken));
    assert_eq!(timed.0.lock().expect("no panic")[0].0, Outcome::Error);
}

#[tokio::test]
async fn nobody_is_told_a_time_who_has_not_asked_for_the_beginning() {
    struct Untimed(Timed);

    impl Hook for Untimed {
        type State = ();

        fn end(&self, (): &mut (), exit: &Exit<'_>) {
            self.0.end(&mut (), exit);
        }
    }

    let timed = Timed::default();
    let chain = Chain::builder().hook(Untimed(timed.clone())).build();
    let answer = chain.expect("a chain").layer(ok("x")).oneshot(get("/"));
    support::text(answer.await.expect("never fails")).await;
    let told = timed.0.lock().expect("no panic").clone();
    assert_eq!(told, [(Outcome::Complete, None, None)]);
}
