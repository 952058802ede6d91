//! How many workers there are, and when.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use elastic_pool::blocking::Pool;
use elastic_pool::{Scaling, Shutdown};

use crate::{Blocker, Result, eventually};

#[test]
fn as_many_jobs_as_workers_are_allowed_block_at_once() -> Result {
    let pool = Pool::builder().workers(0..=16).build()?;
    let blockers: Vec<_> = (0..16).map(|_| Blocker::start(&pool)).collect();
    assert_eq!(pool.metrics().busy, 16);
    let queued = pool.try_submit(|| ())?;
    assert_eq!(pool.metrics().workers, 16, "and never more");
    blockers.into_iter().for_each(Blocker::end);
    queued.join()?;
    Ok(())
}

#[test]
fn a_burst_at_an_idle_pool_starts_workers_for_it() -> Result {
    let pool = Pool::builder().workers(0..=8).build()?;
    let (sender, receiver) = channel();
    let gate = std::sync::Arc::new(std::sync::Barrier::new(9));
    for _ in 0..8 {
        let (sender, gate) = (sender.clone(), gate.clone());
        pool.execute(move || {
            sender.send(()).expect("the test waits");
            gate.wait();
        })?;
    }
    // All eight run at the same time, or this waits for ever.
    assert_eq!(receiver.iter().take(8).count(), 8);
    gate.wait();
    Ok(())
}

#[test]
fn a_full_queue_does_not_keep_the_pool_from_growing() -> Result {
    let pool = Pool::builder().workers(0..=8).queue(1).build()?;
    let gate = std::sync::Arc::new(std::sync::Barrier::new(9));
    let producers: Vec<_> = (0..8)
        .map(|_| {
            let (pool, gate) = (pool.clone(), gate.clone());
            thread::spawn(move || pool.execute(move || gate.wait()).is_ok())
        })
        .collect();
    // All eight run at the same time, or this waits for ever.
    gate.wait();
    for producer in producers {
        assert!(producer.join().expect("no producer panics"));
    }
    Ok(())
}

#[test]
fn idle_workers_leave_and_the_least_stay() -> Result {
    for least in [0, 2] {
        let pool = Pool::builder()
            .workers(least..=8)
            .idle_timeout(Duration::from_millis(5))
            .build()?;
        let blockers: Vec<_> = (0..8).map(|_| Blocker::start(&pool)).collect();
        blockers.into_iter().for_each(Blocker::end);
        eventually("the others leave", || pool.metrics().workers == least);
    }
    Ok(())
}

#[test]
fn a_trickle_keeps_two_workers_at_most() -> Result {
    let pool = Pool::builder()
        .workers(0..=32)
        .idle_timeout(Duration::from_millis(50))
        .build()?;
    let blockers: Vec<_> = (0..32).map(|_| Blocker::start(&pool)).collect();
    blockers.into_iter().for_each(Blocker::end);
    // Jobs come all the time, and the same worker takes them.
    eventually("the others leave", || {
        pool.submit_blocking(|| (), None)
            .is_ok_and(|handle| handle.join().is_ok())
            && pool.metrics().workers <= 2
    });
    Ok(())
}

#[test]
fn by_delay_it_grows_only_when_a_job_has_waited() -> Result {
    let pool = Pool::builder()
        .workers(0..=4)
        .scaling(Scaling::TargetDelay(Duration::from_secs(3_600)))
        .build()?;
    let blocker = Blocker::start(&pool);
    let queued: Vec<_> = (0..10).map(|_| pool.try_submit(|| ())).collect();
    assert_eq!(pool.metrics().workers, 1);
    blocker.end();
    for handle in queued {
        handle?.join()?;
    }

    let pool = Pool::builder()
        .workers(0..=4)
        .scaling(Scaling::TargetDelay(Duration::from_millis(1)))
        .build()?;
    let blocker = Blocker::start(&pool);
    // Nothing else comes to the pool, and its worker is blocked.
    pool.try_submit(|| ())?.join()?;
    blocker.end();
    Ok(())
}

#[test]
#[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
fn a_pool_is_resized_while_it_runs() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let first = Blocker::start(&pool);
    let queued = pool.try_submit(|| ())?;
    pool.resize(2..=4)?;
    queued.join()?;
    assert!(pool.metrics().workers >= 2);
    first.end();
    pool.resize(0..=1)?;
    eventually("the others leave", || pool.metrics().workers <= 1);
    assert!(pool.resize(0..=0).is_err());
    assert!(pool.resize(3..=2).is_err());
    pool.try_submit(|| ())?.join()?;
    Ok(())
}

/// What the system says of the threads of this process with such a name: each one's state, and how
/// often it has gone to sleep.
#[cfg(target_os = "linux")]
fn threads_called(name: &str) -> std::io::Result<Vec<(String, u64)>> {
    let mut threads = Vec::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        // One that has just ended cannot be read any more.
        let Ok(status) = std::fs::read_to_string(task?.path().join("status")) else {
            continue;
        };
        let field = |key: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| line.strip_prefix(key)).map(str::trim)
        };
        if field("Name:").is_some_and(|it| it.starts_with(name)) {
            let state = field("State:").expect("each thread has one").to_owned();
            let sleeps = field("voluntary_ctxt_switches:").and_then(|it| it.parse().ok());
            threads.push((state, sleeps.expect("the system counts them")));
        }
    }
    Ok(threads)
}

#[cfg(target_os = "linux")]
#[test]
fn an_idle_pool_sleeps() -> Result {
    let pool = Pool::builder()
        .workers(4..=4)
        .thread_name(|number| format!("sleeper-{number}"))
        .build()?;
    let blockers: Vec<_> = (0..4).map(|_| Blocker::start(&pool)).collect();
    blockers.into_iter().for_each(Blocker::end);
    eventually("all are idle", || pool.metrics().busy == 0);
    eventually("all sleep", || {
        threads_called("sleeper-").is_ok_and(|threads| {
            threads.len() == 4 && threads.iter().all(|it| it.0.starts_with('S'))
        })
    });
    let before = threads_called("sleeper-")?;
    thread::park_timeout(Duration::from_millis(100));
    assert_eq!(threads_called("sleeper-")?, before);
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn a_pool_that_is_dropped_leaves_no_thread() -> Result {
    let pool = Pool::builder()
        .workers(4..=4)
        .thread_name(|number| format!("leaver-{number}"))
        .build()?;
    let blockers: Vec<_> = (0..4).map(|_| Blocker::start(&pool)).collect();
    assert_eq!(threads_called("leaver-")?.len(), 4);
    blockers.into_iter().for_each(Blocker::end);
    drop(pool);
    eventually("the threads end", || {
        threads_called("leaver-").is_ok_and(|threads| threads.is_empty())
    });
    Ok(())
}

#[test]
fn threads_bear_the_name_that_they_were_given() -> Result {
    let pool = Pool::builder()
        .workers(0..=1)
        .thread_name(|number| format!("db-{number}"))
        .build()?;
    let name = pool.try_submit(|| thread::current().name().map(str::to_owned))?;
    assert_eq!(name.join()?.as_deref(), Some("db-0"));
    drop(pool.shutdown_blocking(Shutdown::Drain(Duration::from_secs(60))));
    Ok(())
}
