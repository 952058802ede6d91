//! What a controller says, and what follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use elastic_pool::blocking::Pool;
use elastic_pool::{Controller, Window};

use crate::{Blocker, Result, eventually};

/// Says what the test says, and looks again each millisecond.
#[derive(Clone)]
struct Told(Arc<AtomicUsize>);

impl Controller for Told {
    fn limit(&mut self, _: Duration, _: &Window) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn again(&self, now: Duration, _: &Window) -> Option<Duration> {
        Some(now + Duration::from_millis(1))
    }
}

#[test]
fn a_controller_moves_the_limit_though_no_job_comes_or_ends() -> Result {
    let told = Arc::new(AtomicUsize::new(2));
    let pool = Pool::builder()
        .workers(0..=8)
        .controller(Told(Arc::clone(&told)))
        .build()?;
    let first = [Blocker::start(&pool), Blocker::start(&pool)];
    let third = pool.try_submit(|| ())?;
    assert_eq!(pool.metrics().workers, 2);
    told.store(3, Ordering::SeqCst);
    third.join()?;
    assert_eq!(pool.metrics().workers, 3);
    told.store(0, Ordering::SeqCst);
    eventually("who is idle leaves", || pool.metrics().workers == 2);
    first.into_iter().for_each(Blocker::end);
    // Whatever it says, one stays to run what comes.
    eventually("the others leave", || pool.metrics().workers <= 1);
    pool.try_submit(|| ())?.join()?;
    assert!(pool.metrics().workers <= 1);
    Ok(())
}

/// Writes down what it is told.
struct Diary(std::sync::mpsc::Sender<Window>);

impl Controller for Diary {
    fn limit(&mut self, _: Duration, window: &Window) -> usize {
        // The test may have ended.
        let _told = self.0.send(*window);
        usize::MAX
    }
}

#[test]
fn each_job_is_told_to_the_controller_once() -> Result {
    let (sender, windows) = std::sync::mpsc::channel();
    let pool = Pool::builder()
        .workers(1..=2)
        .controller(Diary(sender))
        .build()?;
    for _ in 0..20 {
        pool.try_submit(|| std::hint::black_box(7))?.join()?;
    }
    let mut sum = Window::default();
    while sum.ended < 20 {
        let window = windows.recv_timeout(Duration::from_secs(60))?;
        assert!((1..=2).contains(&window.limit), "{window:?}");
        assert!(window.busy <= window.workers && window.workers <= 2);
        assert_eq!(window.mean_run().is_some(), window.ended > 0);
        sum.ended += window.ended;
        sum.run += window.run;
    }
    assert_eq!(sum.ended, 20);
    assert!(sum.run > Duration::ZERO);
    Ok(())
}

struct Panics;

impl Controller for Panics {
    fn limit(&mut self, _: Duration, window: &Window) -> usize {
        assert!(window.ended == 0, "as it was told");
        1
    }
}

#[test]
fn a_controller_that_panics_harms_no_job_and_is_not_asked_again() -> Result {
    let pool = Pool::builder().workers(0..=4).controller(Panics).build()?;
    pool.try_submit(|| ())?.join()?;
    eventually("it panics", || pool.metrics().controller_panicked);
    // As without it.
    let blockers: Vec<_> = (0..4).map(|_| Blocker::start(&pool)).collect();
    assert_eq!(pool.metrics().workers, 4);
    blockers.into_iter().for_each(Blocker::end);
    Ok(())
}

#[test]
fn a_pool_whose_controller_wants_to_be_asked_ends_when_it_is_dropped() -> Result {
    let told = Told(Arc::new(AtomicUsize::new(2)));
    let count = Arc::clone(&told.0);
    let pool = Pool::builder().workers(0..=2).controller(told).build()?;
    pool.try_submit(|| ())?.join()?;
    drop(pool);
    eventually("all threads let go of it", || {
        Arc::strong_count(&count) == 1
    });
    Ok(())
}
