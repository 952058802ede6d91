//! A test for each clause, for Miri and the address sanitizer too.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};

use super::{Endpoint, Plan, Planned, Running};
use crate::{Exchange, Exit, Flow, Hook, Middleware, Next, Outcome, Result};

/// How many futures and states there are.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

struct Token(Alive);

impl Alive {
    fn token(&self) -> Token {
        self.0.fetch_add(1, Ordering::SeqCst);
        Token(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Answers at the second poll, or never.
struct Service {
    polls: usize,
    hangs: bool,
    token: Option<Token>,
    alive: Alive,
}

impl Endpoint for Service {
    fn poll_call(
        mut self: Pin<&mut Self>,
        exchange: &mut Exchange,
        cx: &mut Context<'_>,
    ) -> Poll<Result> {
        if self.token.is_none() {
            self.token = Some(self.alive.token());
        }
        self.polls += 1;
        if self.hangs || self.polls.is_multiple_of(2) {
            let path = exchange.request().uri.path().to_owned();
            return if self.hangs {
                Poll::Pending
            } else {
                Poll::Ready(Ok(exchange.answer(Response::new(path))))
            };
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn stop(mut self: Pin<&mut Self>) {
        self.token = None;
    }
}

struct Keep(Alive);

impl Middleware for Keep {
    async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
        let token = self.0.token();
        let done = next.run(cx).await;
        drop(token);
        done
    }
}

/// Counts its ends, and touches the exchange at each step.
struct Count(Arc<AtomicUsize>);

impl Hook for Count {
    type State = String;

    fn before(&self, state: &mut String, cx: &mut Exchange) -> Flow {
        state.push_str(cx.request().uri.path());
        Flow::Continue(())
    }

    fn after(&self, state: &mut String, cx: &mut Exchange) {
        state.push('!');
        assert!(cx.response_mut().is_some());
    }

    fn end(&self, state: &mut String, exit: &Exit<'_>) {
        assert!(state.starts_with('/'));
        let _ = exit.outcome();
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Stand {
    alive: Alive,
    ends: Arc<AtomicUsize>,
    hangs: bool,
}

impl Stand {
    fn new() -> Self {
        Self {
            alive: Alive::default(),
            ends: Arc::default(),
            hangs: false,
        }
    }

    fn hook(&self) -> Planned {
        Planned::hook(Count(Arc::clone(&self.ends)))
    }

    fn keep(&self) -> Planned {
        Planned::middleware(Keep(self.alive.clone()))
    }

    fn start(&self, members: &[Planned]) -> Running<Service> {
        let (parts, ()) = Request::new(()).into_parts();
        let service = Service {
            polls: 0,
            hangs: self.hangs,
            token: None,
            alive: self.alive.clone(),
        };
        let plan = Arc::new(Plan::new(members.iter()));
        Running::new(plan, parts, || service)
    }

    /// The body of the answer, if there is one within some polls.
    fn drive(&self, members: &[Planned]) -> Option<Bytes> {
        let mut running = self.start(members);
        poll(&mut running).map(|result| {
            assert!(result.is_ok());
            running.parts().0.own_body.take().expect("a body")
        })
    }

    fn assert_clean(&self, ends: usize) {
        assert_eq!(self.alive.count(), 0, "alive");
        assert_eq!(self.ends.load(Ordering::SeqCst), ends, "ends");
    }
}

fn poll(running: &mut Running<Service>) -> Option<Result> {
    let mut cx = Context::from_waker(Waker::noop());
    (0..9).find_map(|_| match running.poll(&mut cx) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    })
}

#[test]
fn futures_and_states_are_dropped_once_when_the_request_is_through() {
    let stand = Stand::new();
    let members = [
        stand.hook(),
        stand.keep(),
        stand.hook(),
        stand.hook(),
        stand.keep(),
    ];
    assert_eq!(stand.drive(&members).as_deref(), Some(&b"/"[..]));
    stand.assert_clean(3);
}

#[test]
fn and_when_it_is_cancelled_before_or_after_the_first_poll() {
    let mut stand = Stand::new();
    stand.hangs = true;
    let members = [stand.hook(), stand.keep(), stand.hook(), stand.keep()];
    drop(stand.start(&members));
    stand.assert_clean(0);
    assert!(stand.drive(&members).is_none());
    stand.assert_clean(2);
}

/// Begins the rest of the chain, and forgets it.
async fn forget(cx: &mut Exchange, mut next: Next<'_>) -> Result {
    {
        let mut run = Box::pin(next.attempt(cx));
        poll_fn(|task| {
            assert!(run.as_mut().poll(task).is_pending());
            Poll::Ready(())
        })
        .await;
        std::mem::forget(run);
    }
    Ok(cx.answer(Response::new("forgot")))
}

#[test]
fn a_forgotten_run_leaks_its_frame_and_nothing_is_freed_under_it() {
    let stand = Stand::new();
    let members = [stand.hook(), Planned::middleware(forget), stand.keep()];
    assert_eq!(stand.drive(&members).as_deref(), Some(&b"forgot"[..]));
    // The record is written all the same.
    assert_eq!(stand.ends.load(Ordering::SeqCst), 1);
    assert_eq!(stand.alive.count(), 2);
}

#[test]
fn after_a_forgotten_run_there_is_no_other() {
    async fn again(cx: &mut Exchange, mut next: Next<'_>) -> Result {
        std::mem::forget(next.attempt(cx));
        next.attempt(cx).await
    }
    let stand = Stand::new();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        stand.drive(&[Planned::middleware(again), stand.keep()])
    }));
    assert!(caught.is_err());
}

#[test]
fn a_retry_around_a_forgotten_run_ends_its_hooks_and_does_not_run_it_again() {
    async fn retry(cx: &mut Exchange, mut next: Next<'_>) -> Result {
        let _ = next.attempt(cx).await?;
        next.attempt(cx).await
    }
    let stand = Stand::new();
    let members = [
        stand.hook(),
        Planned::middleware(retry),
        Planned::middleware(forget),
        stand.hook(),
        stand.keep(),
    ];
    let caught = catch_unwind(AssertUnwindSafe(|| stand.drive(&members)));
    assert!(caught.is_err());
    assert_eq!(stand.ends.load(Ordering::SeqCst), 2);
    assert_eq!(stand.alive.count(), 2);
}

#[test]
fn the_rest_may_run_again_and_its_hooks_end_in_between() {
    async fn retry(cx: &mut Exchange, mut next: Next<'_>) -> Result {
        let _ = next.attempt(cx).await?;
        next.attempt(cx).await
    }
    let stand = Stand::new();
    let members = [
        stand.hook(),
        Planned::middleware(retry),
        stand.keep(),
        stand.hook(),
    ];
    assert!(stand.drive(&members).is_some());
    stand.assert_clean(3);
}

#[test]
fn a_race_drops_what_is_inside_and_may_answer() {
    async fn race(cx: &mut Exchange, next: Next<'_>) -> Result {
        {
            let mut run = pin!(next.run(cx));
            poll_fn(|task| {
                let _ = run.as_mut().poll(task);
                Poll::Ready(())
            })
            .await;
        }
        Ok(cx.answer(Response::new("late")))
    }
    let mut stand = Stand::new();
    stand.hangs = true;
    let members = [
        stand.keep(),
        Planned::middleware(race),
        stand.hook(),
        stand.keep(),
    ];
    assert_eq!(stand.drive(&members).as_deref(), Some(&b"late"[..]));
    stand.assert_clean(1);
}

#[test]
fn a_panic_anywhere_leaves_nothing_behind() {
    struct InStart;
    impl Middleware for InStart {
        fn handle<'a>(
            &'a self,
            _cx: &'a mut Exchange,
            _next: Next<'a>,
        ) -> impl Future<Output = Result> + Send + 'a {
            assert!(std::hint::black_box(false), "in start");
            pending()
        }
    }
    async fn in_poll(_cx: &mut Exchange, _next: Next<'_>) -> Result {
        panic!("in poll")
    }
    struct InHook(u8);
    impl Hook for InHook {
        type State = ();
        fn before(&self, (): &mut (), _cx: &mut Exchange) -> Flow {
            assert_ne!(self.0, 0, "in before");
            Flow::Continue(())
        }
        fn after(&self, (): &mut (), _cx: &mut Exchange) {
            assert_ne!(self.0, 1, "in after");
        }
        fn end(&self, (): &mut (), exit: &Exit<'_>) {
            assert_ne!(exit.outcome(), Outcome::Complete);
            assert_ne!(self.0, 2, "in end");
        }
    }
    let stand = Stand::new();
    for panics in [
        Planned::middleware(InStart),
        Planned::middleware(in_poll),
        Planned::hook(InHook(0)),
        Planned::hook(InHook(1)),
    ] {
        stand.ends.store(0, Ordering::SeqCst);
        let members = [stand.hook(), stand.keep(), panics, stand.keep()];
        let caught = catch_unwind(AssertUnwindSafe(|| stand.drive(&members)));
        assert!(caught.is_err());
        stand.assert_clean(1);
    }
    // A panic at the end is caught.
    stand.ends.store(0, Ordering::SeqCst);
    let members = [stand.hook(), Planned::hook(InHook(2)), stand.hook()];
    assert!(stand.drive(&members).is_some());
    stand.assert_clean(2);
}

#[test]
fn a_destructor_that_panics_does_not_keep_the_record_from_being_written() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    async fn bomb(cx: &mut Exchange, next: Next<'_>) -> Result {
        let _bomb = Bomb;
        next.run(cx).await
    }
    let mut stand = Stand::new();
    stand.hangs = true;
    let members = [
        stand.hook(),
        stand.keep(),
        Planned::middleware(bomb),
        stand.keep(),
    ];
    let caught = catch_unwind(AssertUnwindSafe(|| stand.drive(&members)));
    assert!(caught.is_err());
    stand.assert_clean(1);
}

#[test]
fn a_future_lies_where_its_alignment_asks() {
    #[repr(align(128))]
    struct Wide(u8);
    async fn wide(cx: &mut Exchange, next: Next<'_>) -> Result {
        let wide = Wide(1);
        let done = next.run(cx).await;
        assert_eq!((&raw const wide).addr() % 128, 0);
        assert_eq!(wide.0, 1);
        done
    }
    let stand = Stand::new();
    assert!(
        stand
            .drive(&[stand.keep(), Planned::middleware(wide)])
            .is_some()
    );
}

#[test]
fn sixty_three_middleware_have_room() {
    let stand = Stand::new();
    let members: Vec<_> = (0..63).map(|_| stand.keep()).collect();
    assert!(stand.drive(&members).is_some());
    stand.assert_clean(0);
}

#[test]
fn what_is_started_here_may_end_elsewhere() {
    let stand = Stand::new();
    let mut running = stand.start(&[stand.hook(), stand.keep()]);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(running.poll(&mut cx).is_pending());
    let ended = std::thread::spawn(move || poll(&mut running).is_some_and(|it| it.is_ok()));
    assert!(ended.join().expect("no panic"));
    stand.assert_clean(1);
}

#[test]
fn a_run_that_is_ready_is_not_polled_again() {
    struct Answers;
    impl Hook for Answers {
        type State = ();
        fn before(&self, (): &mut (), _cx: &mut Exchange) -> Flow {
            Flow::Break(Response::new(Bytes::new()))
        }
    }
    async fn twice(cx: &mut Exchange, next: Next<'_>) -> Result {
        let mut run = pin!(next.run(cx));
        let _ = run.as_mut().await;
        run.as_mut().await
    }
    let stand = Stand::new();
    for inside in [stand.keep(), stand.hook(), Planned::hook(Answers)] {
        let members = [Planned::middleware(twice), inside];
        assert!(catch_unwind(AssertUnwindSafe(|| stand.drive(&members))).is_err());
    }
}

#[test]
fn a_future_that_keeps_the_exchange_until_its_drop_is_gone_before_the_hooks() {
    struct Hold<'a>(&'a mut Exchange);
    impl Future for Hold<'_> {
        type Output = Result;
        fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result> {
            Poll::Ready(Ok(self.0.answer(Response::new("held"))))
        }
    }
    impl Drop for Hold<'_> {
        fn drop(&mut self) {
            self.0.request_mut().headers.clear();
        }
    }
    struct Holds;
    impl Middleware for Holds {
        fn handle<'a>(
            &'a self,
            cx: &'a mut Exchange,
            _next: Next<'a>,
        ) -> impl Future<Output = Result> + Send + 'a {
            Hold(cx)
        }
    }
    let stand = Stand::new();
    let members = [stand.hook(), Planned::middleware(Holds)];
    assert_eq!(stand.drive(&members).as_deref(), Some(&b"held"[..]));
    stand.assert_clean(1);
}
