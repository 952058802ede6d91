//! How a pool ends.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use elastic_pool::blocking::Pool;
use elastic_pool::{CancelReason, JobHandle, Shutdown};

use crate::{Blocker, Result};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_drain_runs_what_is_queued_and_counts_it() -> Result {
    let pool = Pool::builder().workers(0..=2).build()?;
    for number in 0..100 {
        pool.execute(move || assert_ne!(number, 50))?;
    }
    let report = pool.shutdown(Shutdown::Drain(LONG)).await;
    assert!(report.is_clean());
    assert_eq!((report.completed, report.panicked), (99, 1));
    Ok(())
}

#[tokio::test]
async fn a_drain_ends_at_its_deadline_and_hands_the_rest_back() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let blocker = Blocker::start(&pool);
    let run = pool.try_submit(|| 1)?;
    let dropped = pool.try_submit(|| 2)?;
    let mut report = pool
        .shutdown(Shutdown::Drain(Duration::from_millis(5)))
        .await;
    assert_eq!(report.still_running, 1);
    assert_eq!(report.unstarted.len(), 2);
    assert!(!run.is_finished() && !dropped.is_finished());
    drop(report.unstarted.pop());
    report.unstarted.pop().expect("there were two").run();
    assert_eq!(run.await?, 1);
    let error = dropped.await.expect_err("it was given up");
    assert_eq!(error.cancel_reason(), Some(CancelReason::Shutdown));
    blocker.end();
    Ok(())
}

#[tokio::test]
async fn a_job_that_was_handed_back_is_counted_once_whatever_becomes_of_it() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let blocker = Blocker::start(&pool);
    let cancelled = pool.try_submit(|| 1)?;
    let run = pool.try_submit(|| 2)?;
    let dropped = pool.try_submit(|| 3)?;
    let mut report = pool.shutdown(Shutdown::Cancel(Duration::ZERO)).await;
    assert_eq!(report.unstarted.len(), 3);
    assert!(cancelled.cancel());
    drop(report.unstarted.pop());
    report.unstarted.pop().expect("there were three").run();
    assert!(dropped.await.is_err());
    assert_eq!(run.await?, 2);
    blocker.end();
    while pool.metrics().busy > 0 {
        tokio::task::yield_now().await;
    }
    let metrics = pool.metrics();
    assert_eq!((metrics.accepted, metrics.returned), (4, 3));
    assert_eq!((metrics.completed, metrics.cancelled), (1, 0));
    Ok(())
}

#[test]
fn a_worker_may_join_a_job_that_was_handed_back() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let (sender, receiver) = channel::<JobHandle<i32>>();
    let worker = pool.try_submit(move || receiver.recv().expect("the test sends one").join())?;
    let queued = pool.try_submit(|| 1)?;
    while pool.metrics().busy == 0 {
        std::thread::yield_now();
    }
    let report = pool.shutdown_blocking(Shutdown::Cancel(Duration::ZERO));
    assert_eq!(report.unstarted.len(), 1);
    sender.send(queued)?;
    assert_eq!(worker.join()??, 1);
    drop(report);
    let metrics = pool.metrics();
    assert_eq!((metrics.completed, metrics.returned), (1, 1));
    assert_eq!((metrics.accepted, metrics.cancelled), (2, 0));
    Ok(())
}

#[test]
fn cancelling_hands_back_what_is_queued_and_waits_for_what_runs() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let Blocker { handle, gate } = Blocker::start(&pool);
    let queued = pool.try_submit(|| 1)?;
    let ours = pool.clone();
    let shutting = std::thread::spawn(move || ours.shutdown_blocking(Shutdown::Cancel(LONG)));
    while !pool.is_closed() || pool.metrics().queued > 0 {
        std::thread::yield_now();
    }
    drop(gate);
    let report = shutting.join().expect("it does not panic");
    assert_eq!((report.still_running, report.unstarted.len()), (0, 1));
    assert_eq!(report.completed, 1);
    handle.join()?;
    drop(report);
    assert!(queued.join().is_err());
    Ok(())
}

#[test]
fn a_runtime_and_a_pool_can_be_dropped_with_many_jobs_queued() -> Result {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()?;
    let pool = Pool::builder().workers(1..=1).queue(100_000).build()?;
    let blocker = Blocker::start(&pool);
    let handles: Vec<_> = (0..100_000)
        .map(|number| pool.try_submit(move || number))
        .collect::<std::result::Result<_, _>>()?;
    let mut handles = handles.into_iter();
    let last = handles.next_back().expect("there are many");
    for handle in handles {
        runtime.spawn(handle);
    }
    drop(runtime);
    drop(pool);
    blocker.end();
    assert_eq!(last.join()?, 99_999);
    Ok(())
}

#[test]
fn a_shutdown_that_is_polled_often_keeps_one_waker() -> Result {
    struct Task;
    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }
    let pool = Pool::builder().workers(1..=1).build()?;
    let blocker = Blocker::start(&pool);
    let task = Arc::new(Task);
    let waker = Waker::from(Arc::clone(&task));
    let mut cx = Context::from_waker(&waker);
    // As in a `select!` in a loop, which polls it again whenever another branch is ready.
    let mut shutdown = pin!(pool.shutdown(Shutdown::Drain(LONG)));
    for _ in 0..1_000 {
        assert!(shutdown.as_mut().poll(&mut cx).is_pending());
    }
    // The pool holds one, the test two.
    assert_eq!(Arc::strong_count(&task), 3);
    blocker.end();
    Ok(())
}

#[test]
fn a_second_shutdown_says_the_same() -> Result {
    let pool = Pool::builder().build()?;
    pool.execute(|| ())?;
    assert_eq!(pool.shutdown_blocking(Shutdown::Drain(LONG)).completed, 1);
    assert_eq!(pool.shutdown_blocking(Shutdown::Cancel(LONG)).completed, 1);
    Ok(())
}
