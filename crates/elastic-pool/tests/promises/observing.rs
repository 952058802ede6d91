//! Who is told of what.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use elastic_pool::blocking::Pool;
use elastic_pool::{BuildError, CancelReason, Ending, Observer, OnFull, Shutdown, SubmitErrorKind};

use crate::{Blocker, Result, eventually};

/// Writes down what it hears.
#[derive(Debug, Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn write(&self, line: impl Into<String>) {
        self.0.lock().expect("no test poisons it").push(line.into());
    }

    fn count(&self, line: &str) -> usize {
        let lines = self.0.lock().expect("no test poisons it");
        lines.iter().filter(|it| *it == line).count()
    }
}

impl Observer for Diary {
    fn job_queued(&self) {
        self.write("queued");
    }

    fn job_refused(&self, why: SubmitErrorKind) {
        self.write(format!("refused: {why:?}"));
    }

    fn job_started(&self, _: Duration) {
        self.write("started");
    }

    fn job_ended(&self, how: Ending, run: Option<Duration>) {
        let began = if run.is_some() { "" } else { ", unstarted" };
        self.write(format!("{how:?}{began}"));
    }

    fn worker_started(&self) {
        self.write("worker started");
    }

    fn worker_stopped(&self) {
        self.write("worker stopped");
    }
}

#[test]
fn an_observer_hears_how_each_job_ends() -> Result {
    let diary = Arc::new(Diary::default());
    let pool = Pool::builder()
        .workers(1..=1)
        .queue(3)
        .on_full(OnFull::Reject)
        .observer(Arc::clone(&diary))
        .build()?;
    let blocker = Blocker::start(&pool);
    let panics = pool.try_submit(|| panic!("no"))?;
    let cancelled = pool.try_submit(|| ())?;
    let expires = pool
        .job(|| ())
        .deadline(Instant::now() + Duration::from_millis(5))
        .try_submit()?;
    assert!(pool.try_submit(|| ()).is_err_and(|error| error.is_full()));
    assert!(cancelled.cancel());
    assert!(expires.join().is_err_and(|error| error.is_cancelled()));
    blocker.end();
    let panicked: std::result::Result<(), _> = panics.join();
    assert!(panicked.is_err_and(|error| error.is_panicked()));
    let second = Blocker::start(&pool);
    pool.execute(|| ())?;
    let report = pool.shutdown_blocking(Shutdown::Cancel(Duration::ZERO));
    assert_eq!(report.unstarted.len(), 1);
    // What its pool has let go of is not told a second time.
    report.unstarted.into_iter().for_each(drop);
    second.end();
    eventually("the worker ends", || diary.count("worker stopped") == 1);
    let unstarted = |reason| format!("{:?}, unstarted", Ending::Cancelled(reason));
    for (line, count) in [
        ("worker started", 1),
        ("queued", 6),
        ("started", 3),
        ("Completed", 2),
        ("Panicked", 1),
        (&unstarted(CancelReason::Requested), 1),
        (&unstarted(CancelReason::DeadlineExceeded), 1),
        ("Returned, unstarted", 1),
        ("refused: Full", 1),
    ] {
        assert_eq!(diary.count(line), count, "{line}: {diary:?}");
    }
    let lines = diary.0.lock().expect("no test poisons it").len();
    assert_eq!(lines, 18, "and of nothing else: {diary:?}");
    Ok(())
}

#[test]
fn an_observer_hears_of_jobs_that_callers_run_and_of_those_that_are_discarded() -> Result {
    let diary = Arc::new(Diary::default());
    let builder = || {
        let builder = Pool::builder().workers(1..=1).queue(1);
        builder.observer(Arc::clone(&diary))
    };
    let pool = builder().on_full(OnFull::CallerRuns).build()?;
    let blocker = Blocker::start(&pool);
    pool.execute(|| ())?;
    pool.execute(|| ())?;
    assert_eq!(diary.count("Completed"), 1, "the caller ran it: {diary:?}");
    blocker.end();

    let pool = builder().on_full(OnFull::DiscardOldest).build()?;
    let blocker = Blocker::start(&pool);
    let oldest = pool.try_submit(|| ())?;
    pool.execute(|| ())?;
    assert!(oldest.join().is_err_and(|error| error.is_cancelled()));
    let discarded = Ending::Cancelled(CancelReason::Discarded);
    assert_eq!(diary.count(&format!("{discarded:?}, unstarted")), 1);
    blocker.end();
    Ok(())
}

#[test]
fn each_wait_is_told_however_many_jobs_come_at_once() -> Result {
    const JOBS: u64 = 500;
    let diary = Arc::new(Diary::default());
    let pool = Pool::builder()
        .workers(1..=1)
        .observer(Arc::clone(&diary))
        .build()?;
    let blocker = Blocker::start(&pool);
    let handles: Vec<_> = (0..JOBS).map(|_| pool.try_submit(|| ())).collect();
    blocker.end();
    for handle in handles {
        handle?.join()?;
    }
    eventually("each is timed", || {
        pool.metrics().wait.count() == JOBS + 1 && pool.metrics().run.count() == JOBS + 1
    });
    // Each of them and not one of many that stands for the others.
    let waits = pool.metrics().wait;
    assert!(
        waits.buckets().any(|(_, count)| count % 32 != 0),
        "{waits:?}"
    );
    assert_eq!(diary.count("started"), 501);
    Ok(())
}

/// Panics whatever it hears, from some moment on.
struct Panics(&'static str, Arc<Diary>);

impl Panics {
    fn hear(&self, event: &str) {
        self.1.write(event);
        assert!(event != self.0, "as it was told");
    }
}

impl Observer for Panics {
    fn attached(&self) {
        self.hear("attached");
    }

    fn job_queued(&self) {
        self.hear("queued");
    }

    fn job_refused(&self, _: SubmitErrorKind) {
        self.hear("refused");
    }

    fn job_started(&self, _: Duration) {
        self.hear("started");
    }

    fn job_ended(&self, _: Ending, _: Option<Duration>) {
        self.hear("ended");
    }

    fn worker_started(&self) {
        self.hear("worker started");
    }

    fn worker_stopped(&self) {
        self.hear("worker stopped");
    }
}

#[test]
fn an_observer_that_panics_harms_no_job_and_is_not_called_again() -> Result {
    for event in [
        "queued",
        "started",
        "ended",
        "refused",
        "worker started",
        "worker stopped",
    ] {
        let diary = Arc::new(Diary::default());
        let pool = Pool::builder()
            .workers(1..=1)
            .queue(1)
            .observer(Panics(event, Arc::clone(&diary)))
            .build()?;
        let blocker = Blocker::start(&pool);
        let handle = pool.try_submit(|| 7)?;
        assert!(pool.try_submit(|| 8).is_err_and(|error| error.is_full()));
        blocker.end();
        assert_eq!(handle.join()?, 7, "{event}");
        for number in 0..10 {
            assert_eq!(pool.try_submit(move || number)?.join()?, number, "{event}");
        }
        assert!(
            pool.shutdown_blocking(Shutdown::Drain(Duration::from_secs(60)))
                .is_clean()
        );
        eventually("it is known", || pool.metrics().observer_panicked);
        assert_eq!(diary.count(event), 1, "it is called once");
        assert_eq!(pool.metrics().completed, 12);
    }
    Ok(())
}

#[test]
fn an_observer_that_cannot_work_is_a_typed_error() {
    let diary = Arc::new(Diary::default());
    let error = Pool::builder()
        .observer(Panics("attached", diary))
        .build()
        .expect_err("it panics when it is shown the pool");
    assert!(matches!(error, BuildError::Observer { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the observer panicked (as it was told): repair it, as a lock of it that is poisoned, or leave it out"
    );
}

#[test]
fn an_observer_may_use_its_pool() -> Result {
    #[derive(Default)]
    struct Curious(std::sync::OnceLock<Pool>, Mutex<usize>);

    impl Observer for Curious {
        fn job_ended(&self, _: Ending, _: Option<Duration>) {
            let pool = self.0.get().expect("it was told");
            *self.1.lock().expect("it does not panic") += pool.metrics().workers;
        }
    }

    let curious = Arc::new(Curious::default());
    let pool = Pool::builder()
        .workers(1..=1)
        .observer(Arc::clone(&curious))
        .build()?;
    curious.0.set(pool.clone()).expect("it is told once");
    pool.try_submit(|| ())?.join()?;
    pool.try_submit(|| ())?.join()?;
    assert_eq!(*curious.1.lock().expect("it does not panic"), 2);
    Ok(())
}
