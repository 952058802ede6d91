//! What a controller says, and what follows.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use elastic_pool::blocking::Pool;
use elastic_pool::{Controller, JobHandle, Window};

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

/// A broken promise fails and does not hang.
fn in_time(job: JobHandle<()>) -> Result {
    let ended = job.join_deadline(Instant::now() + Duration::from_secs(10));
    Ok(ended.map_err(|_| "nobody runs it")??)
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
    in_time(third)?;
    assert_eq!(pool.metrics().workers, 3);
    told.store(0, Ordering::SeqCst);
    eventually("who is idle leaves", || pool.metrics().workers == 2);
    first.into_iter().for_each(Blocker::end);
    // Whatever it says, one stays to run what comes.
    eventually("the others leave", || pool.metrics().workers <= 1);
    in_time(pool.try_submit(|| ())?)?;
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

/// Panics while it is wanted once more: it submits to its own pool.
struct PanicsInDemand(Arc<Mutex<Option<Pool>>>, Arc<AtomicUsize>);

impl Controller for PanicsInDemand {
    fn limit(&mut self, _: Duration, _: &Window) -> usize {
        self.1.fetch_add(1, Ordering::SeqCst);
        let pool = self.0.lock().expect("it panics later").take();
        if let Some(pool) = pool {
            pool.execute(|| ()).expect("there is room");
            panic!("as it was told");
        }
        usize::MAX
    }
}

#[test]
fn a_controller_that_panics_is_not_asked_again_by_who_waited_for_its_answer() -> Result {
    let (own, asked) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
    let controller = PanicsInDemand(Arc::clone(&own), Arc::clone(&asked));
    let pool = Pool::builder()
        .workers(0..=1)
        .controller(controller)
        .build()?;
    *own.lock().expect("nobody panics here") = Some(pool.clone());
    pool.try_submit(|| ())?.join()?;
    assert!(pool.metrics().controller_panicked);
    for _ in 0..10 {
        pool.try_submit(|| ())?.join()?;
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    Ok(())
}

/// Has another thread submit a job each time the test's own thread asks it, as under a heavy load.
struct InDemand {
    /// `false` for the end.
    asks: Sender<bool>,
    done: Receiver<()>,
    by: ThreadId,
    /// How often that thread has asked, and how often others.
    asked: Arc<[AtomicUsize; 2]>,
}

impl Controller for InDemand {
    fn limit(&mut self, _: Duration, _: &Window) -> usize {
        let is_other = thread::current().id() != self.by;
        let asked = self.asked[usize::from(is_other)].fetch_add(1, Ordering::SeqCst);
        if !is_other && asked < 100 {
            self.asks.send(true).expect("the other one lives");
            self.done.recv().expect("the other one lives");
        }
        usize::MAX
    }
}

#[test]
fn who_asks_the_controller_does_not_ask_for_others_for_ever() -> Result {
    let ((asks, asked_for), (submitted, done)) = (channel(), channel());
    let end = Sender::clone(&asks);
    let asked = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let controller = InDemand {
        asks,
        done,
        by: thread::current().id(),
        asked: Arc::clone(&asked),
    };
    let pool = Pool::builder()
        .workers(1..=1)
        .controller(controller)
        .build()?;
    let others = pool.clone();
    let other = thread::spawn(move || {
        while asked_for.recv() == Ok(true) {
            others.execute(|| ()).expect("there is room");
            submitted.send(()).expect("it waits for this");
        }
    });
    let count = |who: usize| asked[who].load(Ordering::SeqCst);
    let mut before = count(1);
    // Afterwards the submissions are all that happens.
    let blocker = Blocker::start(&pool);
    // Whoever asks at the moment may ask for this thread too.
    for _ in 0..100 {
        if count(0) > 0 {
            break;
        }
        before = count(1);
        pool.execute(|| ())?;
    }
    assert!((1..10).contains(&count(0)), "{asked:?}");
    eventually("the last submission is told too", || count(1) > before);
    blocker.end();
    end.send(false)?;
    Ok(other.join().map_err(|_| "the other one panicked")?)
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
