//! Eight scenarios in which pools hang, lose jobs or abort the process. The one with threads that are
//! refused needs the inside of the pool, and is in `src/blocking/tests.rs`.

use std::panic::panic_any;
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use elastic_pool::blocking::Pool;
use elastic_pool::{CancelReason, JobError, Shutdown};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// Panics when it is dropped, with another one.
struct Bomb(u8);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Bomb(self.0 - 1));
        }
    }
}

#[test]
fn a_panic_whose_payload_panics_when_dropped_costs_only_its_job() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    pool.execute(|| panic_any(Bomb(3)))?;
    pool.execute(|| Bomb(3))?;
    for number in 0..10 {
        assert_eq!(pool.submit_blocking(move || number, None)?.join()?, number);
    }
    assert_eq!(pool.metrics().workers, 1);
    assert_eq!(pool.metrics().panicked, 1);
    Ok(())
}

#[test]
fn the_last_handle_may_be_dropped_by_a_job() -> Result {
    let pool = Pool::builder().workers(0..=2).build()?;
    let (sender, receiver) = mpsc::channel();
    let ours = pool.clone();
    let (go, wait) = mpsc::channel::<()>();
    let handle = pool.try_submit(move || {
        wait.recv().expect("the test goes on");
        ours.execute(move || sender.send("queued"))
            .expect("it is open");
        drop(ours);
    })?;
    drop(pool);
    go.send(())?;
    handle.join()?;
    assert_eq!(receiver.recv()?, "queued");
    Ok(())
}

#[test]
fn jobs_that_wait_for_jobs_do_not_deadlock() -> Result {
    fn depth(pool: &Pool, levels: usize) -> usize {
        if levels == 0 {
            return 0;
        }
        let ours = pool.clone();
        let handle = pool
            .submit_blocking(move || depth(&ours, levels - 1), None)
            .expect("the pool is open");
        1 + handle.join().expect("it runs")
    }
    for workers in [1, 2] {
        let pool = Pool::builder().workers(1..=workers).queue(1).build()?;
        let ours = pool.clone();
        let handle = pool.try_submit(move || depth(&ours, 50))?;
        assert_eq!(handle.join()?, 50);
    }
    Ok(())
}

#[test]
fn no_job_is_stranded_when_workers_time_out() -> Result {
    // The timeout is about what a job takes to come, so that most of them meet a worker that goes.
    let pool = Pool::builder()
        .workers(0..=2)
        .idle_timeout(Duration::from_micros(20))
        .build()?;
    for number in 0..20_000_u32 {
        let handle = pool.submit_blocking(move || number, None)?;
        for _ in 0..number % 64 * 20 {
            std::hint::spin_loop();
        }
        assert_eq!(handle.join()?, number);
    }
    Ok(())
}

#[test]
fn one_worker_runs_jobs_in_their_order() -> Result {
    let pool = Pool::builder().workers(1..=1).queue(8).build()?;
    let (sender, receiver) = mpsc::channel();
    for number in 0..1_000 {
        let sender = sender.clone();
        pool.execute(move || sender.send(number))?;
    }
    drop(sender);
    assert!(receiver.iter().eq(0..1_000));
    Ok(())
}

#[test]
fn a_flood_from_many_threads_loses_nothing_and_stays_within_the_queue() -> Result {
    let pool = Pool::builder().workers(0..=4).queue(16).build()?;
    let producers: Vec<_> = (0..8)
        .map(|_| {
            let pool = pool.clone();
            thread::spawn(move || {
                for _ in 0..5_000 {
                    pool.execute(|| ()).expect("the pool is open");
                    assert!(pool.metrics().queued <= 16);
                }
            })
        })
        .collect();
    for producer in producers {
        producer.join().expect("no producer panics");
    }
    let report = pool.shutdown_blocking(Shutdown::Drain(Duration::from_secs(60)));
    assert_eq!(report.completed, 40_000);
    assert!(report.is_clean());
    Ok(())
}

#[test]
fn submissions_that_race_with_shutdown_are_run_returned_or_refused() -> Result {
    for _ in 0..200 {
        let pool = Pool::builder().workers(0..=2).build()?;
        let start = Arc::new(Barrier::new(2));
        let (other, ready) = (pool.clone(), Arc::clone(&start));
        let rival = thread::spawn(move || {
            ready.wait();
            let tried = (0..20).map(|number| other.try_submit(move || number));
            tried
                .filter_map(std::result::Result::ok)
                .collect::<Vec<_>>()
        });
        start.wait();
        let report = pool.shutdown_blocking(Shutdown::Cancel(Duration::from_secs(60)));
        let returned = report.unstarted.len();
        assert_eq!(report.still_running, 0);
        drop(report);
        let mut cancelled = 0;
        for handle in rival.join().expect("no rival panics") {
            match handle.join() {
                Ok(_) => {}
                Err(JobError::Cancelled(CancelReason::Shutdown)) => cancelled += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(cancelled, returned);
    }
    Ok(())
}
