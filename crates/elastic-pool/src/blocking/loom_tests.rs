//! The steps in which threads meet, in every order: submission, sleep, exit, hand-over of a result,
//! cancellation and shutdown.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use super::{Builder, Pool};
use crate::clock::Clock;
use crate::sync::{block_on, model};
use crate::{CancelReason, JobError, JobHandle, OnFull, Shutdown};

/// A pool whose threads are loom's. In a model every time limit is reached at once, so a worker
/// that sleeps also leaves.
fn pool(workers: RangeInclusive<usize>, queue: usize) -> Pool {
    builder(workers, queue)
        .start_with(|_, main| {
            loom::thread::spawn(main);
            Ok(())
        })
        .build()
        .expect("the settings are in range")
}

fn builder(workers: RangeInclusive<usize>, queue: usize) -> Builder {
    Pool::builder()
        .workers(workers)
        .queue(queue)
        .on_full(OnFull::Wait)
        .idle_timeout(Duration::ZERO)
        .clock(Clock::stopped(Instant::now(), &Arc::new(AtomicU64::new(1))))
}

#[test]
fn a_job_and_a_worker_that_leaves_meet() {
    model(|| {
        let pool = pool(0..=1, 4);
        let first = pool.try_submit(|| 1).expect("there is room");
        assert_eq!(first.join().expect("it runs"), 1);
        // The worker is falling asleep, asleep or gone.
        let second = pool.try_submit(|| 2).expect("there is room");
        assert_eq!(second.join().expect("it runs"), 2);
    });
}

#[test]
fn a_job_that_only_the_inbox_knows_of_is_fetched() {
    model(|| {
        let pool = pool(0..=1, 4);
        let first = pool.try_submit(|| 1).expect("there is room");
        // The worker is on its way, runs the first, looks for another, sleeps or is gone.
        let second = pool.try_submit(|| 2).expect("there is room");
        assert_eq!(second.join().expect("it runs"), 2);
        assert_eq!(first.join().expect("it runs"), 1);
    });
}

#[test]
fn a_job_that_only_the_inbox_knows_of_is_refused_or_handed_back() {
    model(|| {
        // Its worker is always on its way, so the second job needs nothing else.
        let pool = builder(0..=1, 4).start_with(|_, _| Ok(())).build();
        let pool = pool.expect("the settings are in range");
        pool.execute(|| ()).expect("there is room");
        let other = pool.clone();
        let rival = loom::thread::spawn(move || other.execute(|| ()).is_ok());
        let report = pool.shutdown_blocking(Shutdown::Cancel(Duration::ZERO));
        let is_accepted = rival.join().expect("no rival panics");
        assert_eq!(report.unstarted.len(), 1 + usize::from(is_accepted));
    });
}

#[test]
fn two_submissions_to_one_sleeper_both_run() {
    model(|| {
        let pool = pool(1..=1, 4);
        let other = pool.clone();
        let rival = loom::thread::spawn(move || {
            other
                .try_submit(|| 1)
                .expect("there is room")
                .join()
                .expect("it runs")
        });
        let ours = pool.try_submit(|| 2).expect("there is room");
        assert_eq!(ours.join().expect("it runs"), 2);
        assert_eq!(rival.join().expect("no rival panics"), 1);
    });
}

#[test]
fn a_job_that_is_cancelled_while_it_is_fetched_ends_once() {
    model(|| {
        let pool = pool(0..=1, 4);
        let handle = pool.try_submit(|| 1).expect("there is room");
        let was_cancelled = handle.cancel();
        match handle.join() {
            Ok(1) => assert!(!was_cancelled),
            Err(JobError::Cancelled(CancelReason::Requested)) => assert!(was_cancelled),
            other => panic!("{other:?}"),
        }
        let metrics = pool.metrics();
        assert_eq!(metrics.completed + metrics.cancelled, 1);
    });
}

#[test]
fn a_handle_that_is_awaited_while_its_job_ends_is_woken() {
    model(|| {
        let pool = pool(0..=1, 4);
        let handle = pool.try_submit(|| 1).expect("there is room");
        assert_eq!(block_on(handle).expect("it runs"), 1);
    });
}

#[test]
fn a_submission_that_waits_for_room_gets_it() {
    model(|| {
        let pool = pool(0..=1, 1);
        pool.execute(|| ()).expect("the pool is open");
        let second = block_on(pool.submit(|| 2)).expect("the pool is open");
        assert_eq!(second.join().expect("it runs"), 2);
    });
}

#[test]
fn a_job_that_races_with_shutdown_runs_or_comes_back() {
    model(|| {
        let pool = pool(0..=1, 4);
        let other = pool.clone();
        let rival = loom::thread::spawn(move || other.try_submit(|| 1).ok());
        let report = pool.shutdown_blocking(Shutdown::Cancel(Duration::ZERO));
        drop(report);
        if let Some(handle) = rival.join().expect("no rival panics") {
            match handle.join() {
                Ok(1) | Err(JobError::Cancelled(CancelReason::Shutdown)) => {}
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn a_job_that_ends_while_it_is_handed_back_is_counted_before_its_handle_knows() {
    fn check(end: impl Fn(&JobHandle<i32>) + Send + Sync + 'static) {
        model(move || {
            // Its worker never comes to it.
            let pool = builder(0..=1, 4).start_with(|_, _| Ok(())).build();
            let pool = pool.expect("the settings are in range");
            let handle = pool.try_submit(|| 1).expect("there is room");
            let other = pool.clone();
            let rival = loom::thread::spawn(move || {
                other.shutdown_blocking(Shutdown::Cancel(Duration::ZERO))
            });
            end(&handle);
            assert!(handle.is_finished());
            let metrics = pool.metrics();
            let ended = metrics.completed + metrics.cancelled + metrics.returned;
            assert_eq!(ended, 1, "{metrics:?}");
            drop(rival.join().expect("no rival panics"));
        });
    }
    check(|handle| assert!(handle.cancel()));
    // What a worker does that joins it.
    check(|handle| Arc::clone(&handle.host).run_here(handle.key, handle.outcome.as_runnable()));
}
