//! What the pool for futures promises. Time is tokio's paused clock.
#![cfg(feature = "task")]

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use elastic_pool::task::Pool;
use elastic_pool::{
    BuildError, CancelReason, Ending, JobHandle, Observer, Shutdown, SubmitErrorKind,
};
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, advance, sleep};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

fn pool(limit: usize, queue: usize) -> Pool {
    let pool = Pool::builder().limit(limit).queue(queue).build();
    pool.expect("the settings are in range")
}

/// A job that runs until the gate is dropped.
async fn blocker(pool: &Pool) -> (oneshot::Sender<()>, JobHandle<()>) {
    let (gate, closed) = oneshot::channel::<()>();
    let job = async move {
        // An error: the gate is gone.
        let _open = closed.await;
    };
    let handle = pool.submit(job).await.expect("there is room");
    yield_now().await;
    (gate, handle)
}

fn balances(pool: &Pool) -> bool {
    let it = pool.metrics();
    it.accepted == it.completed + it.panicked + it.cancelled + it.returned
}

#[tokio::test(start_paused = true)]
async fn no_more_jobs_run_at_once_than_the_limit_and_each_gives_its_result() -> Result {
    let pool = pool(3, 100);
    let running = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let mut handles = Vec::new();
    for number in 0..50 {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        let job = async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_millis(10)).await;
            running.fetch_sub(1, Ordering::SeqCst);
            number
        };
        handles.push(pool.submit(job).await?);
    }
    let began = Instant::now();
    for (number, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.await?, number);
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
    // Seventeen turns of three: nobody waits who need not.
    assert_eq!(began.elapsed(), Duration::from_millis(170));
    assert!(balances(&pool));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_gives_the_job_back_and_submit_waits() -> Result {
    let pool = pool(1, 2);
    let (gate, blocked) = blocker(&pool).await;
    let queued = [pool.try_submit(async { 1 })?, pool.try_submit(async { 2 })?];
    let error = pool.try_submit(async { 3 }).expect_err("it is full");
    assert_eq!(error.kind(), SubmitErrorKind::Full);
    assert_eq!(error.into_job().await, 3);
    let mut waits = pin!(pool.submit(async { 4 }));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waits.as_mut().poll(&mut cx).is_pending());
    drop(gate);
    assert_eq!(waits.await?.await?, 4);
    blocked.await?;
    for (handle, result) in queued.into_iter().zip(1..) {
        assert_eq!(handle.await?, result);
    }
    assert_eq!(pool.metrics().completed, 4);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_dropped_submit_never_loses_a_permit() -> Result {
    let pool = pool(1, 1);
    for polls in 0..3 {
        let (gate, blocked) = blocker(&pool).await;
        let queued = pool.try_submit(async {})?;
        {
            let mut waits = pin!(pool.submit(async {}));
            let mut cx = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                assert!(waits.as_mut().poll(&mut cx).is_pending());
            }
            drop(gate);
            blocked.await?;
            queued.await?;
            // It was given the room, and is dropped with it.
        }
        let gates = [pool.try_submit(async {})?, pool.try_submit(async {})?];
        for handle in gates {
            handle.await?;
        }
        assert!(balances(&pool));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_kept_while_all_run() -> Result {
    let pool = pool(1, 3);
    let (gate, blocked) = blocker(&pool).await;
    let began = Instant::now();
    let late = pool
        .job(async {})
        .timeout(Duration::from_millis(50))
        .try_submit()?;
    // The timekeeper sleeps for the later one by now.
    yield_now().await;
    let sooner = pool
        .job(async {})
        .timeout(Duration::from_millis(20))
        .try_submit()?;
    for (handle, millis) in [(sooner, 20), (late, 50)] {
        let error = handle.await.expect_err("it is too late");
        assert_eq!(error.cancel_reason(), Some(CancelReason::DeadlineExceeded));
        let late_by = began
            .elapsed()
            .saturating_sub(Duration::from_millis(millis));
        assert!(
            late_by <= Duration::from_millis(1),
            "tokio's timers: {late_by:?}"
        );
    }
    assert_eq!(pool.metrics().queued, 0);
    let passed = pool.job(async {}).deadline(began).try_submit();
    let error = passed.expect_err("it lies in the past");
    assert_eq!(error.kind(), SubmitErrorKind::DeadlinePassed);
    // Their room is free again.
    let queued = [
        pool.try_submit(async {})?,
        pool.job(async {})
            .timeout(Duration::from_secs(60))
            .try_submit()?,
        pool.try_submit(async {})?,
    ];
    assert!(pool.try_submit(async {}).is_err());
    drop(gate);
    blocked.await?;
    for handle in queued {
        handle.await?;
    }
    advance(Duration::from_secs(120)).await;
    assert!(balances(&pool));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_deadline_has_passed_does_not_begin_though_nobody_has_looked() -> Result {
    let pool = pool(1, 2);
    // It ends in the same moment, before the timekeeper has its turn.
    let blocks = pool.try_submit(async {
        let mut passes = pin!(advance(Duration::from_millis(60)));
        poll_fn(|cx| Poll::Ready(passes.as_mut().poll(cx).is_ready())).await
    })?;
    let late = pool
        .job(async {})
        .timeout(Duration::from_millis(50))
        .try_submit()?;
    let next = pool.try_submit(async { 7 })?;
    assert!(!blocks.await?, "it has not waited");
    let error = late.await.expect_err("it is too late");
    assert_eq!(error.cancel_reason(), Some(CancelReason::DeadlineExceeded));
    assert_eq!(next.await?, 7);
    assert!(balances(&pool));
    Ok(())
}

struct Deaf;

impl Observer for Deaf {}

#[tokio::test(start_paused = true)]
async fn a_drained_pool_is_gone_before_the_deadlines_of_what_it_ran() -> Result {
    let kept = Arc::new(Deaf);
    let pool = Pool::builder()
        .limit(1)
        .observer(Arc::clone(&kept))
        .build()?;
    let began = Instant::now();
    let (gate, blocked) = blocker(&pool).await;
    let queued = pool
        .job(async {})
        .timeout(Duration::from_secs(3_600))
        .try_submit()?;
    // The timekeeper sleeps by now.
    yield_now().await;
    drop(gate);
    blocked.await?;
    queued.await?;
    drop(pool);
    for _ in 0..10 {
        yield_now().await;
    }
    assert_eq!(Arc::strong_count(&kept), 1, "nothing holds the pool");
    assert_eq!(began.elapsed(), Duration::ZERO);
    Ok(())
}

#[test]
fn who_is_woken_for_room_or_for_the_end_may_use_the_pool() -> Result {
    /// Runs what is woken here and now, as some executors do.
    struct Nosy(Pool, AtomicUsize);

    impl std::task::Wake for Nosy {
        fn wake(self: Arc<Self>) {
            drop(self.0.metrics());
            self.1.fetch_add(1, Ordering::SeqCst);
        }
    }

    let (done, ends) = std::sync::mpsc::channel();
    // A thread of its own: one that waits for itself fails this test and does not hang it.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.expect("the system has one");
        let woken = runtime.block_on(async {
            let pool = pool(1, 1);
            let nosy = Arc::new(Nosy(pool.clone(), AtomicUsize::new(0)));
            let waker = Waker::from(Arc::clone(&nosy));
            let mut cx = Context::from_waker(&waker);
            let (gate, blocked) = blocker(&pool).await;
            let queued = pool.try_submit(async {}).expect("there is room");
            let mut waits = pin!(pool.submit(async {}));
            assert!(waits.as_mut().poll(&mut cx).is_pending());
            drop(gate);
            blocked.await.expect("it ends");
            queued.await.expect("it ends");
            let room = nosy.1.load(Ordering::SeqCst);
            let (gate, blocked) = blocker(&pool).await;
            let mut drains = pin!(pool.shutdown(Shutdown::Drain(Duration::MAX)));
            assert!(drains.as_mut().poll(&mut cx).is_pending());
            drop(gate);
            blocked.await.expect("it ends");
            yield_now().await;
            (room, nosy.1.load(Ordering::SeqCst) - room)
        });
        done.send(woken)
    });
    assert_eq!(ends.recv_timeout(Duration::from_secs(10))?, (1, 1));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_job_never_runs_and_its_room_is_free() -> Result {
    let pool = pool(1, 1);
    let (gate, blocked) = blocker(&pool).await;
    let captured = Arc::new(());
    let held = Arc::clone(&captured);
    let handle = pool.try_submit(async move { drop(held) })?;
    assert!(handle.cancel());
    assert!(!handle.cancel(), "it has ended");
    assert_eq!(Arc::strong_count(&captured), 1, "the future is gone");
    let error = handle.await.expect_err("it was cancelled");
    assert_eq!(error.cancel_reason(), Some(CancelReason::Requested));
    let next = pool.try_submit(async { 5 })?;
    assert!(!blocked.cancel(), "it runs");
    drop(gate);
    assert_eq!(next.await?, 5);
    assert!(balances(&pool));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_a_job_has_captured_is_gone_before_its_handle_knows() -> Result {
    /// Says what the handle knows when it is dropped.
    struct Captured(Arc<std::sync::OnceLock<JobHandle<()>>>, Arc<AtomicUsize>);

    impl Drop for Captured {
        fn drop(&mut self) {
            let handle = self.0.get().expect("it was told");
            self.1
                .store(1 + usize::from(handle.is_finished()), Ordering::SeqCst);
        }
    }

    let pool = pool(1, 1);
    let (handle, seen) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
    let captured = Captured(Arc::clone(&handle), Arc::clone(&seen));
    let job = poll_fn(move |_| {
        let _held = &captured;
        Poll::Ready(())
    });
    handle.set(pool.try_submit(job)?).expect("it is told once");
    yield_now().await;
    assert_eq!(
        seen.load(Ordering::SeqCst),
        1,
        "dropped before the handle knew"
    );
    assert!(handle.get().is_some_and(JobHandle::is_finished));
    Ok(())
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_its_own_job_only() -> Result {
    let pool = pool(1, 10);
    let panics = pool.try_submit(async {
        yield_now().await;
        panic!("no")
    })?;
    let bomb = pool.try_submit(async { std::panic::panic_any(Bomb) })?;
    drop(bomb);
    pool.execute(async { Bomb }).await?;
    pool.execute(async { std::panic::panic_any(Bomb) }).await?;
    let last = pool.try_submit(async { 7 })?;
    let error: elastic_pool::JobError = panics.await.map(|(): ()| ()).expect_err("it panics");
    assert!(error.is_panicked());
    assert_eq!(last.await?, 7);
    assert_eq!(pool.metrics().panicked, 3);
    assert!(balances(&pool));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_drain_runs_what_is_queued_and_says_what_became_of_it() -> Result {
    let pool = pool(2, 10);
    for _ in 0..6 {
        pool.execute(async { sleep(Duration::from_secs(1)).await })
            .await?;
    }
    let began = Instant::now();
    let report = pool
        .shutdown(Shutdown::Drain(Duration::from_secs(60)))
        .await;
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    assert!(report.is_clean());
    assert_eq!(report.completed, 6);
    let error = pool.try_submit(async {}).expect_err("it is closed");
    assert!(error.is_closed());
    let error = pool.submit(async {}).await.expect_err("it is closed");
    assert!(error.is_closed());
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_at_its_deadline_and_hands_the_rest_back() -> Result {
    for how in [Shutdown::Drain, Shutdown::Cancel] {
        let pool = pool(1, 10);
        let (gate, blocked) = blocker(&pool).await;
        let run = pool.try_submit(async { 1 })?;
        let dropped = pool.try_submit(async { 2 })?;
        let cancelled = pool.try_submit(async { 3 })?;
        let began = Instant::now();
        let report = pool.shutdown(how(Duration::from_millis(500))).await;
        assert!(began.elapsed() >= Duration::from_millis(500));
        assert_eq!(report.still_running, 1);
        assert_eq!(report.unstarted.len(), 3);
        let mut unstarted = report.unstarted.into_iter();
        unstarted.next().expect("there are three").run();
        assert_eq!(run.await?, 1);
        drop(unstarted.next());
        let error = dropped.await.expect_err("it never ran");
        assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
        assert!(cancelled.cancel());
        drop(gate);
        blocked.await?;
        yield_now().await;
        assert_eq!(pool.metrics().returned, 3);
        assert!(balances(&pool));
    }
    Ok(())
}

/// Shuts its pool down when it hears of an end, and says whether that panics.
#[derive(Default)]
struct Impatient {
    pool: OnceLock<Pool>,
    panics: OnceLock<bool>,
}

impl Observer for Impatient {
    fn job_ended(&self, _: Ending, _: Option<Duration>) {
        let Some(pool) = self.pool.get() else { return };
        let begun = catch_unwind(AssertUnwindSafe(|| {
            let shutdown = pin!(pool.shutdown(Shutdown::Cancel(Duration::ZERO)));
            let _ready = shutdown.poll(&mut Context::from_waker(Waker::noop()));
        }));
        let _ = self.panics.set(begun.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_meets_a_cancelled_job_survives_its_drop() -> Result {
    let observer = Arc::new(Impatient::default());
    let builder = Pool::builder().limit(1).queue(1);
    let pool = builder.observer(Arc::clone(&observer)).build()?;
    let (gate, _running) = blocker(&pool).await;
    let bomb = Bomb;
    let queued = pool.try_submit(async move { drop(bomb) })?;
    assert!(observer.pool.set(pool.clone()).is_ok());
    // Its end is told before its place in the queue is given up.
    assert!(queued.cancel());
    assert_eq!(observer.panics.get(), Some(&false));
    drop(gate);
    Ok(())
}

#[test]
fn a_runtime_that_ends_with_many_jobs_queued_tells_every_handle() -> Result {
    const JOBS: usize = 100_000;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (pool, handles) = runtime.block_on(async {
        let pool = pool(2, JOBS);
        let handles: Vec<_> = (0..JOBS)
            .map(|_| pool.try_submit(pending::<()>()))
            .collect();
        yield_now().await;
        (pool, handles)
    });
    drop(runtime);
    let bound = std::time::Instant::now() + Duration::from_secs(10);
    for handle in handles {
        let ended = handle?.join_deadline(bound).expect("it is told");
        let error = ended.expect_err("there is nothing that runs it");
        assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
    }
    assert!(
        pool.try_submit(async {})
            .is_err_and(|error| error.is_closed())
    );
    assert_eq!(pool.metrics().busy, 0);
    assert!(balances(&pool));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_limit_moves_while_jobs_run() -> Result {
    let pool = pool(1, 2);
    let (first, _running) = blocker(&pool).await;
    let second = pool.try_submit(async { 2 })?;
    pool.resize(2)?;
    assert_eq!(second.await?, 2);
    let (third, _running) = blocker(&pool).await;
    pool.resize(1)?;
    let queued = [pool.try_submit(async {})?, pool.try_submit(async {})?];
    assert!(
        pool.try_submit(async {}).is_err(),
        "the queue is as long as before"
    );
    drop(first);
    yield_now().await;
    assert_eq!((pool.metrics().busy, pool.metrics().queued), (1, 2));
    drop(third);
    for handle in queued {
        handle.await?;
    }
    let full: Vec<_> = (0..3).map(|_| pool.try_submit(async {})).collect();
    assert!(full.into_iter().all(|it| it.is_ok()), "no permit is lost");
    assert!(matches!(pool.resize(0), Err(BuildError::Limit { .. })));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_accepted_job_ends_once_whoever_races() -> Result {
    let pool = pool(4, 16);
    let ran = Arc::new(AtomicUsize::new(0));
    let producers: Vec<_> = (0..4)
        .map(|producer| {
            let (pool, ran) = (pool.clone(), Arc::clone(&ran));
            tokio::spawn(async move {
                let mut ended = 0;
                for number in 0..2_000_usize {
                    let ran = Arc::clone(&ran);
                    let job = async move {
                        if number % 3 == 0 {
                            yield_now().await;
                        }
                        ran.fetch_add(1, Ordering::SeqCst);
                        number
                    };
                    let job = pool
                        .job(job)
                        .timeout(Duration::from_micros(if number % 5 == 0 {
                            50
                        } else {
                            60_000_000
                        }));
                    let Ok(handle) = job.submit().await else {
                        continue;
                    };
                    if (number + producer) % 7 == 0 {
                        handle.cancel();
                    }
                    match handle.await {
                        Ok(result) => assert_eq!(result, number),
                        Err(error) => assert!(error.is_cancelled()),
                    }
                    ended += 1;
                }
                ended
            })
        })
        .collect();
    let mut ended = 0;
    for producer in producers {
        ended += producer.await?;
    }
    let report = pool
        .shutdown(Shutdown::Drain(Duration::from_secs(60)))
        .await;
    assert!(report.is_clean());
    let metrics = pool.metrics();
    assert_eq!(metrics.accepted, ended);
    assert_eq!(
        metrics.completed,
        u64::try_from(ran.load(Ordering::SeqCst))?
    );
    assert!(balances(&pool));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn submissions_that_race_with_shutdown_are_run_or_refused() -> Result {
    for _ in 0..300 {
        let pool = pool(2, 1_000_000);
        let producer = {
            let pool = pool.clone();
            tokio::task::spawn_blocking(move || {
                let mut accepted = 0;
                while pool.try_submit(async {}).is_ok() {
                    accepted += 1;
                }
                accepted
            })
        };
        yield_now().await;
        let report = pool
            .shutdown(Shutdown::Drain(Duration::from_secs(60)))
            .await;
        assert!(report.is_clean());
        assert_eq!(report.completed, producer.await?, "all that was accepted");
    }
    Ok(())
}

#[test]
fn bad_settings_are_typed_errors() {
    assert!(matches!(
        Pool::builder().build(),
        Err(BuildError::NoRuntime)
    ));
    assert!(matches!(
        Pool::builder().limit(0).build(),
        Err(BuildError::Limit { limit: 0, .. })
    ));
    assert!(matches!(
        Pool::builder().queue(0).build(),
        Err(BuildError::Queue { queue: 0, .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn jobs_that_are_ready_at_once_let_others_run() -> Result {
    let pool = pool(1, 10_000);
    let (gate, _blocked) = blocker(&pool).await;
    for _ in 0..10_000 {
        pool.execute(async {}).await?;
    }
    drop(gate);
    yield_now().await;
    assert!(
        pool.metrics().queued > 0,
        "this test has its turn before all have run"
    );
    poll_fn(|cx| {
        if pool.metrics().queued == 0 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    Ok(())
}
