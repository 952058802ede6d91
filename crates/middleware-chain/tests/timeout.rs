//! What a timeout promises: its time begins when the request comes to it, whoever asks when inside.

mod support;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Response, StatusCode};
use http_body_util::BodyExt;
use middleware_chain::{
    AccessLog, Chain, ChainBuilder, Concurrency, Error, Exchange, Exit, Hook, Member, Middleware,
    Next, Rest, Result, Timeout,
};
use tokio::time::{Instant, sleep};
use tower::layer::layer_fn;
use tower::{Layer, ServiceExt};

use support::{get, hang, service, text};

const TOTAL: Duration = Duration::from_secs(10);
const LATE: Duration = Duration::from_secs(8);
const SECOND: Duration = Duration::from_secs(1);

fn bounded() -> ChainBuilder {
    Chain::builder().with(Timeout::total(TOTAL))
}

async fn late(cx: &mut Exchange, next: Next<'_>) -> Result {
    sleep(LATE).await;
    next.run(cx).await
}

async fn asks(cx: &mut Exchange, next: Next<'_>) -> Result {
    cx.started();
    next.run(cx).await
}

/// Keeps the deadline that it is told after a wait.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Option<Instant>>>);

impl Middleware for Told {
    async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
        sleep(SECOND / 2).await;
        *self.0.lock().expect("no panic") = cx.deadline();
        next.run(cx).await
    }
}

type FirstAndTotal = (Option<Duration>, Option<Duration>);

/// Keeps the times of the first byte and of all.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<FirstAndTotal>>>);

impl Times {
    fn take(&self) -> Vec<FirstAndTotal> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

impl Hook for Times {
    type State = ();

    fn end(&self, (): &mut (), exit: &Exit<'_>) {
        let times = (exit.first_byte(), exit.total());
        self.0.lock().expect("no panic").push(times);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_when_the_timeout_cuts_off() {
    let told = Told::default();
    let chain = bounded().named("told", told.clone()).build();
    let begun = Instant::now();
    let answer = chain.expect("a chain").layer(service(|_| hang()));
    let answer = answer.oneshot(get("/")).await.expect("never fails");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(begun.elapsed(), TOTAL);
    let told = told.0.lock().expect("no panic").take();
    assert_eq!(told, Some(begun + TOTAL));
}

/// Whoever waits before the answer is there, and asks for the time then.
#[tokio::test(start_paused = true)]
async fn a_total_bounds_the_body_behind_whatever_waits_and_asks() {
    let queue = || Concurrency::limit(1).shed_after(TOTAL);
    let log = || AccessLog::logfmt(Mutex::new(std::io::sink()));
    for (what, chain) in [
        ("nobody", bounded().with(late)),
        ("a member", bounded().with(late).with(asks)),
        (
            "a layer",
            bounded().with(late).layer(layer_fn(|it: Rest| it)),
        ),
        (
            "a queue, and a log",
            bounded().with(queue()).with(late).hook(log()),
        ),
    ] {
        let service = chain.build().expect("a chain").layer(support::stalls());
        let begun = Instant::now();
        let answer = service.oneshot(get("/")).await.expect("never fails");
        assert_eq!(begun.elapsed(), LATE, "{what}");
        let error = answer.into_body().collect().await;
        assert_eq!(begun.elapsed(), TOTAL, "{what}");
        let error = error.map(drop).expect_err("it stalls");
        let status = Error::find(&*error).map(Error::status_code);
        assert_eq!(status, Some(StatusCode::GATEWAY_TIMEOUT), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_total_bounds_all_tries() {
    async fn retry(cx: &mut Exchange, mut next: Next<'_>) -> Result {
        for _ in 0..5 {
            let tried = tokio::time::timeout(TOTAL * 3 / 5, next.attempt(cx));
            if let Ok(result) = tried.await {
                return result;
            }
        }
        next.run(cx).await
    }

    let chain = Chain::builder().with(retry).with(Timeout::total(TOTAL));
    let service = chain.build().expect("a chain").layer(service(|_| hang()));
    let begun = Instant::now();
    let answer = service.oneshot(get("/")).await.expect("never fails");
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(begun.elapsed(), TOTAL);
}

#[tokio::test(start_paused = true)]
async fn an_aborted_request_has_a_time() {
    let times = Times::default();
    let chain = Chain::builder().hook(times.clone());
    let chain = chain.with(Timeout::total(TOTAL)).build().expect("a chain");
    let asked = chain.layer(service(|_| hang())).oneshot(get("/"));
    let gone = tokio::time::timeout(LATE, asked).await;
    assert!(gone.is_err());
    assert_eq!(times.take(), [(None, Some(LATE))]);
}

#[tokio::test(start_paused = true)]
async fn the_first_byte_is_not_the_last() {
    let times = Times::default();
    let chain = Chain::builder().hook(times.clone());
    let chain = chain.with(Timeout::total(TOTAL)).build().expect("a chain");
    let service = tower::service_fn(async |_request| {
        Ok::<_, Infallible>(Response::new(support::Delayed::by(LATE)))
    });
    let answer = chain.layer(service).oneshot(get("/")).await;
    assert_eq!(text(answer.expect("never fails")).await, "xx");
    assert_eq!(times.take(), [(Some(Duration::ZERO), Some(LATE))]);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_the_earliest_of_all_and_counts_from_the_first_call() {
    let inner = |total| Member::with(Timeout::total(total)).named("inner");
    let soon = LATE + SECOND;
    for (what, chain, due) in [
        ("one", bounded(), TOTAL),
        ("an earlier one inside", bounded().member(inner(soon)), soon),
        (
            "a later one inside",
            bounded().member(inner(TOTAL * 2)),
            TOTAL,
        ),
        (
            "after a wait",
            bounded().with(late).member(inner(soon)),
            soon,
        ),
        (
            "begun outside",
            Chain::builder().with(asks).with(late).member(inner(soon)),
            soon,
        ),
        (
            "begun here",
            Chain::builder().with(late).member(inner(SECOND)),
            soon,
        ),
    ] {
        let told = Told::default();
        let chain = chain.named("told", told.clone()).build();
        let service = chain.expect("a chain").layer(service(|_| hang()));
        let begun = Instant::now();
        let answer = service.oneshot(get("/")).await.expect("never fails");
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{what}");
        assert_eq!(begun.elapsed(), due, "{what}");
        let told = told.0.lock().expect("no panic").take();
        assert_eq!(told, Some(begun + due), "{what}");
    }
}
