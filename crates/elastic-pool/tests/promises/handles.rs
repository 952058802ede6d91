//! What becomes of a job, and who hears of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use elastic_pool::blocking::Pool;
use elastic_pool::{CancelReason, JobError, JobGroup};

use crate::{Blocker, Result};

#[tokio::test]
async fn a_handle_can_be_awaited_and_joined() -> Result {
    let pool = Pool::builder().build()?;
    assert_eq!(pool.submit(|| 1).await?.await?, 1);
    assert_eq!(pool.try_submit(|| 2)?.join()?, 2);
    Ok(())
}

#[test]
fn a_panic_goes_to_the_handle_with_its_payload() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    for (handle, message) in [
        (pool.try_submit(|| panic!("static"))?, Some("static")),
        (pool.try_submit(|| panic!("{}", 7))?, Some("7")),
        (pool.try_submit(|| std::panic::panic_any(7_u8))?, None),
    ] {
        let Err(JobError::Panicked(panic)) = handle.join() else {
            panic!("it panicked");
        };
        assert_eq!(panic.message(), message);
        let number = panic.into_payload().downcast::<u8>().ok();
        assert_eq!(number.as_deref().copied(), message.is_none().then_some(7));
    }
    assert_eq!(pool.metrics().workers, 1);
    Ok(())
}

#[test]
fn a_cancelled_job_frees_its_place_and_what_it_captured() -> Result {
    let pool = Pool::builder().workers(1..=1).queue(1).build()?;
    let blocker = Blocker::start(&pool);
    let captured = Arc::new(());
    let ours = Arc::clone(&captured);
    let queued = pool.try_submit(move || drop(ours))?;
    assert!(queued.cancel());
    assert!(!queued.cancel(), "it ends once");
    assert_eq!(Arc::strong_count(&captured), 1);
    assert_eq!(pool.metrics().queued, 0);
    let error = queued.join().expect_err("it was cancelled");
    assert_eq!(error.cancel_reason(), Some(CancelReason::Requested));
    assert!(!blocker.handle.cancel(), "it has begun");
    blocker.end();
    Ok(())
}

#[test]
fn a_dropped_handle_lets_its_job_run() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let blocker = Blocker::start(&pool);
    let (sender, receiver) = std::sync::mpsc::channel();
    drop(pool.try_submit(move || sender.send(7))?);
    blocker.end();
    assert_eq!(receiver.recv()?, 7);
    Ok(())
}

#[test]
fn what_a_job_captured_is_gone_before_its_handle_knows() -> Result {
    let pool = Pool::builder().build()?;
    for _ in 0..100 {
        let captured = Arc::new(());
        let ours = Arc::clone(&captured);
        pool.try_submit(move || {
            assert_eq!(Arc::strong_count(&ours), 2);
        })?
        .join()?;
        assert_eq!(Arc::strong_count(&captured), 1);
    }
    Ok(())
}

#[test]
fn a_wait_with_a_limit_gives_the_handle_back() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let blocker = Blocker::start(&pool);
    let queued = pool.try_submit(|| 1)?;
    let deadline = Instant::now() + Duration::from_millis(1);
    let queued = queued
        .join_deadline(deadline)
        .expect_err("it is not its turn");
    blocker.end();
    assert_eq!(queued.join()?, 1);
    Ok(())
}

#[tokio::test]
async fn a_group_gives_each_result_once_as_it_comes() -> Result {
    let pool = Pool::builder().workers(2..=2).build()?;
    let Blocker { handle, gate } = Blocker::start(&pool);
    let mut group = JobGroup::new();
    group.add(handle);
    group.add(pool.try_submit(|| ())?);
    assert!(group.next().await.is_some_and(|it| it.is_ok()));
    assert_eq!(group.len(), 1, "the blocked one is left");
    drop(gate);
    assert!(group.next().await.is_some_and(|it| it.is_ok()));
    assert!(group.next().await.is_none());
    // A group that was empty can be used again.
    group.extend([pool.try_submit(|| ())?]);
    assert_eq!(group.join_all().await.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_group_cancels_what_has_not_begun() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let blocker = Blocker::start(&pool);
    let mut group = JobGroup::new();
    for _ in 0..3 {
        group.add(pool.try_submit(|| ())?);
    }
    assert_eq!(group.cancel_all(), 3);
    for result in group.join_all().await {
        assert!(result.is_err_and(|error| error.is_cancelled()));
    }
    blocker.end();
    Ok(())
}

#[test]
fn counters_add_up_when_all_handles_have_ended() -> Result {
    let pool = Pool::builder().workers(0..=3).build()?;
    let handles: Vec<_> = (0..300)
        .map(|number| pool.submit_blocking(move || assert_ne!(number % 3, 0), None))
        .collect::<std::result::Result<_, _>>()?;
    let cancelled = handles.iter().step_by(7).filter(|it| it.cancel()).count();
    let results: Vec<_> = handles
        .into_iter()
        .map(elastic_pool::JobHandle::join)
        .collect();
    let metrics = pool.metrics();
    let completed = results.iter().filter(|it| it.is_ok()).count();
    assert_eq!(metrics.accepted, 300);
    assert_eq!(metrics.completed, u64::try_from(completed)?);
    assert_eq!(metrics.cancelled, u64::try_from(cancelled)?);
    assert_eq!(
        metrics.completed + metrics.panicked + metrics.cancelled,
        300
    );
    Ok(())
}
