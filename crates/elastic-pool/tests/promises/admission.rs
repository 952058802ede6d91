//! What is taken, what waits and what is refused.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use elastic_pool::blocking::Pool;
use elastic_pool::{BuildError, CancelReason, OnFull, SubmitErrorKind};

use crate::{Blocker, Result};

/// A pool with one worker, which is blocked, and with a full queue of one.
fn full(on_full: OnFull) -> std::result::Result<(Pool, Blocker), BuildError> {
    let pool = Pool::builder()
        .workers(1..=1)
        .queue(1)
        .on_full(on_full)
        .build()?;
    let blocker = Blocker::start(&pool);
    Ok((pool, blocker))
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
fn settings_that_cannot_work_are_refused_with_what_to_change() {
    for (builder, text) in [
        (
            Pool::builder().workers(0..=0),
            "workers are 0..=0: the last must be 1 or more",
        ),
        (
            Pool::builder().workers(3..=2),
            "workers are 3..=2: the last must be 1 or more",
        ),
        (Pool::builder().queue(0), "queue is 0: set it from 1"),
        (Pool::builder().queue(usize::MAX), "set it from 1 to 2^31"),
    ] {
        let error = builder.build().expect_err("it cannot work").to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn try_submit_gives_the_job_back_when_full() -> Result {
    for on_full in [OnFull::Wait, OnFull::Reject] {
        let (pool, blocker) = full(on_full)?;
        let queued = pool.try_submit(|| 1)?;
        let error = pool.try_submit(|| 2).expect_err("the queue is full");
        assert!(error.is_full());
        assert_eq!((error.into_job())(), 2);
        blocker.end();
        assert_eq!(queued.join()?, 1);
    }
    Ok(())
}

#[test]
fn submit_blocking_waits_for_room_and_no_longer_than_told() -> Result {
    let (pool, blocker) = full(OnFull::Wait)?;
    let queued = pool.try_submit(|| 1)?;
    let error = pool
        .submit_blocking(|| 2, Some(Duration::from_millis(1)))
        .expect_err("nobody makes room");
    assert_eq!(error.kind(), SubmitErrorKind::TimedOut);
    let waiting = {
        let pool = pool.clone();
        thread::spawn(move || pool.submit_blocking(|| 3, None))
    };
    blocker.end();
    let third = waiting.join().expect("it does not panic")?;
    assert_eq!((queued.join()?, third.join()?), (1, 3));
    Ok(())
}

#[test]
fn the_caller_runs_what_has_no_room() -> Result {
    let (pool, blocker) = full(OnFull::CallerRuns)?;
    let queued = pool.try_submit(|| thread::current().id())?;
    let ours = pool.try_submit(|| thread::current().id())?;
    assert_eq!(ours.join()?, thread::current().id());
    blocker.end();
    assert_ne!(queued.join()?, thread::current().id());
    assert_eq!(pool.metrics().completed, 3);
    Ok(())
}

#[test]
fn the_oldest_makes_room_and_is_told() -> Result {
    let (pool, blocker) = full(OnFull::DiscardOldest)?;
    let oldest = pool.try_submit(|| 1)?;
    let newest = pool.try_submit(|| 2)?;
    let error = oldest.join().expect_err("it was discarded");
    assert_eq!(error.cancel_reason(), Some(CancelReason::Discarded));
    blocker.end();
    assert_eq!(newest.join()?, 2);
    Ok(())
}

#[test]
fn a_deadline_is_kept_while_all_workers_are_busy() -> Result {
    let (pool, blocker) = full(OnFull::Wait)?;
    let late = pool
        .job(|| 1)
        .timeout(Duration::from_millis(5))
        .try_submit()?;
    // Nothing else comes to the pool, and its only worker is blocked until the handle is told.
    let error = late.join().expect_err("its deadline passes");
    assert_eq!(error.cancel_reason(), Some(CancelReason::DeadlineExceeded));
    assert_eq!(pool.metrics().queued, 0);
    blocker.end();
    Ok(())
}

#[test]
fn a_deadline_in_the_past_gives_the_job_back() -> Result {
    let pool = Pool::builder().build()?;
    let error = pool.job(|| 1).deadline(Instant::now()).try_submit();
    let error = error.expect_err("it has passed");
    assert_eq!(error.kind(), SubmitErrorKind::DeadlinePassed);
    assert_eq!((error.into_job())(), 1);
    Ok(())
}

#[test]
fn a_closed_pool_refuses_and_gives_the_job_back() -> Result {
    let pool = Pool::builder().build()?;
    pool.close();
    let error = pool.try_submit(|| 1).expect_err("it is closed");
    assert!(error.is_closed());
    assert_eq!((error.into_job())(), 1);
    assert!(pool.execute(|| ()).is_err_and(|error| error.is_closed()));
    Ok(())
}

#[test]
fn closing_ends_the_wait_for_room() -> Result {
    let (pool, blocker) = full(OnFull::Wait)?;
    let _queued = pool.try_submit(|| ())?;
    let mut waiting = pin!(pool.submit(|| ()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    pool.close();
    let Poll::Ready(Err(error)) = waiting.poll(&mut cx) else {
        panic!("the pool is closed");
    };
    assert!(error.is_closed());
    blocker.end();
    Ok(())
}

#[test]
fn a_dropped_submit_passes_its_turn_on() -> Result {
    let (pool, blocker) = full(OnFull::Wait)?;
    let queued = pool.try_submit(|| ())?;
    let mut cx = Context::from_waker(Waker::noop());
    let mut first = Box::pin(pool.submit(|| 1));
    assert!(first.as_mut().poll(&mut cx).is_pending());
    let second = {
        let pool = pool.clone();
        thread::spawn(move || pool.submit_blocking(|| 2, None))
    };
    // Its turn comes, whether or not the second one stands in line yet.
    assert!(queued.cancel());
    drop(first);
    let second = second.join().expect("it does not panic")?;
    blocker.end();
    assert_eq!(second.join()?, 2);
    assert_eq!(pool.metrics().accepted, 3);
    Ok(())
}

#[test]
fn a_worker_never_waits_for_room_in_its_own_queue() -> Result {
    let pool = Pool::builder().workers(1..=1).queue(1).build()?;
    let ours = pool.clone();
    let handle = pool.try_submit(move || (0..10).try_for_each(|_| ours.execute(|| ())).is_ok())?;
    assert!(handle.join()?);
    Ok(())
}

#[test]
fn a_worker_whose_own_long_queue_is_full_does_not_nap_before_it_runs_the_job() -> Result {
    const ROUND: u32 = 50;
    const QUEUE: usize = 512;
    // Three naps of 20 us: who sleeps for so long sleeps for no less.
    const NAPS: Duration = Duration::from_micros(60);
    let pool = Pool::builder().workers(1..=1).queue(QUEUE).build()?;
    let ours = pool.clone();
    let job = move || {
        for _ in 0..QUEUE {
            ours.execute(|| ()).expect("the pool is open");
        }
        let round = |_| {
            let began = Instant::now();
            for _ in 0..ROUND {
                ours.execute(|| ()).expect("the pool is open");
            }
            began.elapsed()
        };
        (0..20).map(round).min()
    };
    let fastest = pool.try_submit(job)?.join()?.expect("there are rounds");
    assert!(fastest < ROUND * NAPS, "{fastest:?}");
    Ok(())
}
