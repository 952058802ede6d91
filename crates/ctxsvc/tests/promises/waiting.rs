//! Futures and tasks under a context.

use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use ctxsvc::Ctx;
use testkit::{every_await, wait_for};
use tokio::task::yield_now;
use tokio_test::{assert_pending, assert_ready, task};

const PATIENCE: Duration = Duration::from_secs(20);
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_future_runs_to_its_end_or_to_the_end_of_the_context() {
    let (ctx, guard) = Ctx::root().with_timeout(MINUTE).cancellable();
    assert_eq!(ctx.run(ready(1)).await.expect("in time"), 1);
    let late = async {
        tokio::time::sleep(MINUTE / 2).await;
        2
    };
    assert_eq!(ctx.run(late).await.expect("in time"), 2);

    let started = tokio::time::Instant::now();
    let done = ctx.run(pending::<()>()).await.expect_err("the deadline");
    assert!(done.is_timeout());
    assert_eq!(started.elapsed(), MINUTE / 2);
    drop(guard);
    assert!(
        ctx.run(ready(3))
            .await
            .expect_err("it is over")
            .is_timeout()
    );
}

#[tokio::test]
async fn a_future_of_a_context_that_is_over_is_not_polled() {
    let (ctx, guard) = Ctx::root().cancellable();
    drop(guard);
    let never = std::future::poll_fn(|_cx| -> std::task::Poll<()> { panic!("polled") });
    assert!(ctx.run(never).await.is_err());
}

#[tokio::test]
async fn a_cancel_wakes_each_who_waits_and_none_who_has_left() {
    let (ctx, guard) = Ctx::root().cancellable();
    let (mut stays, mut leaves) = (task::spawn(ctx.done()), task::spawn(ctx.done()));
    assert_pending!(stays.poll());
    assert_pending!(leaves.poll());
    drop(leaves);
    let mut later = task::spawn(ctx.done());
    assert_pending!(later.poll());
    guard.cancel();
    assert!(stays.is_woken() && later.is_woken());
    assert!(assert_ready!(stays.poll()).is_cancelled());
    assert!(assert_ready!(later.poll()).is_cancelled());
}

#[tokio::test]
async fn the_last_waker_is_the_one_that_is_woken() {
    let (ctx, guard) = Ctx::root().cancellable();
    let mut waiting = Box::pin(ctx.done());
    let mut first = task::spawn(());
    let mut second = task::spawn(());
    first.enter(|cx, _| assert_pending!(waiting.as_mut().poll(cx)));
    second.enter(|cx, _| assert_pending!(waiting.as_mut().poll(cx)));
    guard.cancel();
    assert!(!first.is_woken() && second.is_woken());
}

#[tokio::test]
async fn a_run_dropped_at_any_await_leaves_its_context_as_it_was() {
    let (ctx, guard) = Ctx::root().with_timeout(MINUTE).cancellable();
    let held = Arc::new(());
    let awaits = every_await(
        async || {
            let held = Arc::clone(&held);
            let work = async move {
                yield_now().await;
                yield_now().await;
                drop(held);
            };
            ctx.run(work).await
        },
        async |at| {
            assert_eq!(Arc::strong_count(&held), 1, "dropped at await {at}");
            assert!(!ctx.is_cancelled());
        },
    )
    .await;
    assert_eq!(awaits, 2);
    drop(guard);
    assert!(ctx.is_cancelled());
}

#[tokio::test]
async fn the_current_context_is_the_nearest_around_and_goes_along_into_spawned_tasks() {
    assert_eq!(Ctx::current().value::<u8>(), None);
    let ctx = Ctx::root().with_value(1_u8);
    let inner = ctx.with_value(2_u8);
    let seen = ctx.scope(async {
        let here = Ctx::current().value::<u8>().copied();
        let spawned = inner.spawn(async { Ctx::current().value::<u8>().copied() });
        (here, spawned.await.expect("no panic").expect("not over"))
    });
    assert_eq!(seen.await, (Some(1), Some(2)));
    assert_eq!(Ctx::current().value::<u8>(), None);
}

#[tokio::test]
async fn a_spawned_task_ends_with_its_context() {
    let (ctx, guard) = Ctx::root().cancellable();
    let held = Arc::new(());
    let of_task = Arc::clone(&held);
    let task = ctx.spawn(async move {
        pending::<()>().await;
        drop(of_task);
    });
    yield_now().await;
    guard.cancel_because("shutdown");
    let done = task
        .await
        .expect("no panic")
        .expect_err("it never ends by itself");
    assert_eq!(
        done.cause().map(ToString::to_string).as_deref(),
        Some("shutdown")
    );
    assert_eq!(Arc::strong_count(&held), 1);
}

/// The rows of Go's `TestAfterFunc...` and of its tests with foreign contexts.
#[tokio::test]
async fn what_is_to_be_done_after_a_context_is_done_once_and_outside_of_the_cancel() {
    let (ctx, guard) = Ctx::root().cancellable();
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let (in_time, again) = (sender.clone(), sender.clone());
    let after = ctx.after_done(move |done| in_time.send(done.is_cancelled()).expect("it is open"));
    yield_now().await;
    guard.cancel();
    guard.cancel();
    assert!(
        receiver.try_recv().is_err(),
        "not inside of the call that cancels"
    );
    assert_eq!(receiver.recv().await, Some(true));
    assert!(!after.stop(), "it has run");

    ctx.after_done(move |_| again.send(false).expect("it is open"));
    assert_eq!(receiver.recv().await, Some(false), "over already");
    drop(sender);
    assert_eq!(receiver.recv().await, None, "and no more");
}

#[tokio::test]
async fn what_was_stopped_never_runs_and_is_forgotten() {
    let (ctx, guard) = Ctx::root().cancellable();
    let held = Arc::new(());
    let of_function = Arc::clone(&held);
    let after = ctx.after_done(move |_| panic!("it was stopped with {of_function:?}"));
    yield_now().await;
    assert!(after.stop());
    assert!(!after.stop());
    drop(guard);
    wait_for(async || Arc::strong_count(&held) == 1, PATIENCE).await;
}

struct Sleeper {
    panics: bool,
    woken: AtomicUsize,
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics, "a waker of somebody else's");
    }
}

#[test]
fn a_waker_that_panics_keeps_nobody_else_asleep() {
    let (ctx, guard) = Ctx::root().cancellable();
    let below = ctx.cancellable();
    let sleepers = [true, false, true, false].map(|panics| {
        let woken = AtomicUsize::new(0);
        Arc::new(Sleeper { panics, woken })
    });
    let contexts = [&ctx, &ctx, &ctx, &below.0];
    let mut waiting = contexts.map(|ctx| Box::pin(ctx.done()));
    for (waiting, sleeper) in waiting.iter_mut().zip(&sleepers) {
        let waker = Waker::from(Arc::clone(sleeper));
        let mut cx = Context::from_waker(&waker);
        assert_pending!(waiting.as_mut().poll(&mut cx));
    }
    let cancelled = catch_unwind(AssertUnwindSafe(|| guard.cancel()));
    assert!(cancelled.is_err(), "the panic is not hidden");
    let woken = sleepers.map(|sleeper| sleeper.woken.load(Ordering::SeqCst));
    assert_eq!(woken, [1; 4]);
}
