//! Scenarios of the suites of Java's `ThreadPoolExecutor` and of folly that no other file has. The
//! book has the whole table: which of them apply, and which test is theirs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use elastic_pool::blocking::Pool;
use elastic_pool::{CancelReason, JobGroup, OnFull, Shutdown};

use crate::{Blocker, Result, eventually};

#[test]
fn the_least_workers_are_there_before_any_job() -> Result {
    let pool = Pool::builder().workers(2..=6).build()?;
    assert_eq!(pool.metrics().workers, 2);
    pool.resize(4..=6)?;
    assert_eq!(pool.metrics().workers, 4);
    pool.resize(4..=6)?;
    assert_eq!(pool.metrics().threads_started, 4);
    Ok(())
}

#[test]
fn counts_follow_what_happens_and_are_never_ahead_of_it() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let metrics = pool.metrics();
    assert_eq!((metrics.busy, metrics.queued, metrics.accepted), (0, 0, 0));
    let blocker = Blocker::start(&pool);
    let mut queued = Vec::new();
    for number in 1..=3 {
        let metrics = pool.metrics();
        assert_eq!((metrics.workers, metrics.busy, metrics.idle()), (1, 1, 0));
        assert_eq!((metrics.accepted, metrics.completed), (number, 0));
        let counts = pool.clone();
        queued.push(pool.try_submit(move || counts.metrics().completed)?);
    }
    blocker.end();
    // Those before it have ended, and it has not.
    for (before, handle) in (1..).zip(queued) {
        assert_eq!(handle.join()?, before);
    }
    let metrics = pool.metrics();
    assert_eq!((metrics.accepted, metrics.completed), (4, 4));
    Ok(())
}

#[test]
fn what_runs_is_not_cancelled_and_what_waits_is_cancelled_once() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let blocker = Blocker::start(&pool);
    let mut queued = Vec::new();
    for number in 0..5 {
        queued.push(pool.try_submit(move || number)?);
    }
    assert!(!blocker.handle.cancel());
    for at in [4, 3] {
        assert!(queued[at].cancel());
        assert!(!queued[at].cancel());
        assert!(queued[at].is_finished());
        assert_eq!(pool.metrics().queued, at);
    }
    blocker.end();
    let results: Vec<_> = queued.into_iter().map(|it| it.join().ok()).collect();
    assert_eq!(results, [Some(0), Some(1), Some(2), None, None]);
    Ok(())
}

#[test]
fn a_job_that_was_given_back_can_be_submitted_again() -> Result {
    const JOBS: u64 = 1_000;
    let pool = Pool::builder()
        .workers(1..=30)
        .queue(30)
        .on_full(OnFull::Reject)
        .build()?;
    let runs = Arc::new(AtomicU64::new(0));
    let mut refusals = 0_u64;
    for _ in 0..JOBS {
        let runs = Arc::clone(&runs);
        let mut job: Box<dyn FnOnce() + Send> = Box::new(move || {
            runs.fetch_add(1, Ordering::Relaxed);
        });
        while let Err(refused) = pool.execute(job) {
            assert!(refused.is_full());
            refusals += 1;
            job = refused.into_job();
            std::thread::yield_now();
        }
    }
    let report = pool.shutdown_blocking(Shutdown::Drain(Duration::from_secs(60)));
    assert!(report.is_clean(), "after {refusals} refusals: {report:?}");
    assert_eq!(
        (runs.load(Ordering::Relaxed), report.completed),
        (JOBS, JOBS)
    );
    Ok(())
}

#[test]
fn a_closed_pool_discards_nothing_for_a_job_that_it_refuses() -> Result {
    let pool = Pool::builder()
        .workers(1..=1)
        .queue(1)
        .on_full(OnFull::DiscardOldest)
        .build()?;
    let blocker = Blocker::start(&pool);
    let queued = pool.try_submit(|| 1)?;
    assert!(!pool.is_closed());
    pool.close();
    assert!(pool.is_closed());
    let refused = pool.try_submit(|| 2).expect_err("the pool is closed");
    assert!(refused.is_closed());
    assert_eq!((refused.into_job())(), 2);
    blocker.end();
    assert_eq!(queued.join()?, 1);
    Ok(())
}

#[tokio::test]
async fn the_first_result_of_several_may_be_enough() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let mut group = JobGroup::new();
    assert!(group.next().await.is_none(), "it is empty");
    group.add(pool.try_submit(|| panic!("no answer"))?);
    group.add(pool.try_submit(|| 1)?);
    let gate = Blocker::start(&pool);
    group.add(pool.try_submit(|| 2)?);
    let first = loop {
        let result = group.next().await.expect("one has an answer");
        if let Ok(answer) = result {
            break answer;
        }
    };
    assert_eq!(first, 1);
    assert_eq!(group.cancel_all(), 1);
    gate.end();
    let rest = group.next().await.expect("it is told");
    let error = rest.expect_err("it has not run");
    assert_eq!(error.cancel_reason(), Some(CancelReason::Requested));
    Ok(())
}

#[tokio::test]
async fn of_many_jobs_those_that_are_late_are_cancelled_and_the_others_give_their_results() -> Result
{
    let pool = Pool::builder().workers(1..=1).build()?;
    let early = pool.try_submit(|| 0)?;
    assert_eq!(early.await?, 0);
    let blocker = Blocker::start(&pool);
    let mut group = JobGroup::new();
    let deadline = Instant::now() + Duration::from_millis(5);
    group.add(pool.job(|| 1).deadline(deadline).try_submit()?);
    group.add(pool.job(|| 2).try_submit()?);
    let late = group.next().await.expect("it is told");
    let error = late.expect_err("its deadline passes");
    assert_eq!(error.cancel_reason(), Some(CancelReason::DeadlineExceeded));
    blocker.end();
    assert_eq!(group.next().await.expect("one is left")?, 2);
    assert!(group.next().await.is_none());
    Ok(())
}

#[test]
fn a_pool_that_is_resized_under_load_loses_nothing() -> Result {
    const JOBS: u64 = 1_000;
    let pool = Pool::builder().workers(10..=10).queue(16).build()?;
    let runs = Arc::new(AtomicU64::new(0));
    for number in 0..JOBS {
        let runs = Arc::clone(&runs);
        pool.execute(move || runs.fetch_add(1, Ordering::Relaxed))?;
        match number {
            200 => pool.resize(8..=8)?,
            400 => pool.resize(5..=5)?,
            600 => pool.resize(15..=15)?,
            _ => {}
        }
    }
    eventually("there are as many as were asked for", || {
        pool.metrics().workers == 15
    });
    let report = pool.shutdown_blocking(Shutdown::Drain(Duration::from_secs(60)));
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(runs.load(Ordering::Relaxed), JOBS);
    Ok(())
}

#[test]
fn jobs_may_submit_to_their_pool_while_it_shuts_down() -> Result {
    let pool = Pool::builder().workers(4..=4).queue(10_000).build()?;
    let (inner, jobs) = channel();
    for _ in 0..1_000 {
        let (own, inner) = (pool.clone(), inner.clone());
        pool.execute(move || {
            // In time, or too late: one of both, and it says which.
            if let Ok(handle) = own.try_submit(|| ()) {
                inner.send(handle).expect("the test listens");
            }
        })?;
    }
    drop(inner);
    let report = pool.shutdown_blocking(Shutdown::Drain(Duration::from_secs(60)));
    assert!(report.is_clean(), "{report:?}");
    let mut accepted = 0;
    for handle in jobs {
        handle.join()?;
        accepted += 1;
    }
    assert_eq!(1_000 + accepted, report.completed);
    Ok(())
}
