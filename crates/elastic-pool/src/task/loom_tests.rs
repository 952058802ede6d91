//! The steps in which submissions, tasks and the pool's handles meet, in every order: a job's end and
//! the next one's start, room, cancellation, a limit that moves, shutdown.
//!
//! Loom sees the lock of the state and how threads wait. What is inside of tokio's semaphore is one
//! step to it.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use loom::thread;

use super::Pool;
use crate::sync::{block_on, model};
use crate::{CancelReason, JobError, Shutdown};

/// So long that no timer is needed for it.
const FOR_EVER: Duration = Duration::MAX;

fn pool(limit: usize, queue: usize) -> Pool {
    let pool = Pool::builder().limit(limit).queue(queue).build();
    pool.expect("the settings are in range")
}

/// Waits until nothing runs, and looks whether every permit is back.
fn all_permits_are_back(pool: &Pool, permits: usize) {
    drop(block_on(pool.shutdown(Shutdown::Drain(FOR_EVER))));
    let shared = &pool.guard.shared;
    assert_eq!(shared.room.available_permits(), permits);
}

#[test]
fn a_job_that_comes_while_another_one_ends_is_run() {
    model(|| {
        let pool = pool(1, 1);
        let first = pool.try_submit(async { 1 }).expect("there is room");
        let second = pool.try_submit(async { 2 }).expect("there is room");
        assert_eq!(block_on(second).expect("it runs"), 2);
        assert_eq!(block_on(first).expect("it runs"), 1);
        all_permits_are_back(&pool, 2);
    });
}

#[test]
fn a_submission_that_waits_for_room_gets_it() {
    model(|| {
        let pool = pool(1, 1);
        block_on(pool.execute(async {})).expect("it is open");
        block_on(pool.execute(async {})).expect("it is open");
        let third = block_on(pool.submit(async { 3 })).expect("it is open");
        assert_eq!(block_on(third).expect("it runs"), 3);
        all_permits_are_back(&pool, 2);
    });
}

#[test]
fn a_submission_that_is_dropped_while_room_comes_takes_none_along() {
    model(|| {
        let pool = pool(1, 1);
        block_on(pool.execute(async {})).expect("it is open");
        block_on(pool.execute(async {})).expect("it is open");
        {
            let mut submission = pin!(pool.execute(async {}));
            let mut cx = Context::from_waker(Waker::noop());
            let _ = submission.as_mut().poll(&mut cx);
        }
        all_permits_are_back(&pool, 2);
    });
}

#[test]
fn a_job_that_is_cancelled_while_it_begins_ends_once() {
    model(|| {
        let pool = pool(1, 1);
        let first = pool.try_submit(async {}).expect("there is room");
        let second = pool.try_submit(async { 2 }).expect("there is room");
        let was_cancelled = second.cancel();
        match block_on(second) {
            Ok(2) => assert!(!was_cancelled),
            Err(JobError::Cancelled(CancelReason::Requested)) => assert!(was_cancelled),
            other => panic!("{other:?}"),
        }
        block_on(first).expect("it runs");
        let ended = pool.guard.shared.tally.read();
        assert_eq!(ended.completed + ended.cancelled, 2);
        all_permits_are_back(&pool, 2);
    });
}

#[test]
fn a_limit_that_moves_while_jobs_end_loses_no_permit_and_no_job() {
    model(|| {
        let pool = pool(2, 1);
        let other = pool.clone();
        let rival = thread::spawn(move || {
            other.resize(1).expect("it is in range");
            other.resize(3).expect("it is in range");
        });
        let handles = [1, 2].map(|number| pool.try_submit(async move { number }).ok());
        rival.join().expect("no rival panics");
        for (handle, number) in handles.into_iter().zip(1..) {
            // With a limit of one there is room for two, one of which may not have left yet.
            if let Some(handle) = handle {
                assert_eq!(block_on(handle).expect("it runs"), number);
            }
        }
        all_permits_are_back(&pool, 4);
    });
}

#[test]
fn permits_that_submissions_have_when_the_limit_shrinks_go_when_they_come_back() {
    model(|| {
        let pool = pool(2, 1);
        let other = pool.clone();
        let taken = other.guard.shared.room.try_acquire_many(3);
        taken.expect("there are three").forget();
        let rival = thread::spawn(move || {
            let shared = &other.guard.shared;
            // What a submission does that is too late.
            (0..3).for_each(|_| shared.leave(shared.state.lock(), 1));
        });
        pool.resize(1).expect("it is in range");
        rival.join().expect("no rival panics");
        all_permits_are_back(&pool, 2);
    });
}

#[test]
fn a_job_that_races_with_shutdown_runs_or_comes_back() {
    model(|| {
        let pool = pool(1, 1);
        block_on(pool.execute(async {})).expect("it is open");
        let other = pool.clone();
        let rival = thread::spawn(move || other.try_submit(async { 1 }).ok());
        let report = block_on(pool.shutdown(Shutdown::Cancel(FOR_EVER)));
        drop(report);
        if let Some(handle) = rival.join().expect("no rival panics") {
            match block_on(handle) {
                Ok(1) | Err(JobError::Cancelled(CancelReason::Shutdown)) => {}
                other => panic!("{other:?}"),
            }
        }
        let metrics = pool.metrics();
        let ended = metrics.completed + metrics.cancelled + metrics.returned;
        assert_eq!(metrics.accepted, ended, "{metrics:?}");
    });
}
