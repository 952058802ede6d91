//! What a pool tells the crate `metrics`.
#![cfg(feature = "metrics")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use elastic_pool::blocking::Pool;
use elastic_pool::{
    CancelReason, Ending, MetricsObserver, Observer, OnFull, Shutdown, SubmitErrorKind,
};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit, with_local_recorder,
};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// The sum of each metric; of a histogram, how often it was written.
#[derive(Clone, Default)]
struct Sums(Arc<Mutex<BTreeMap<String, f64>>>);

struct Sum(Sums, String);

impl Sum {
    fn add(&self, more: f64) {
        let mut sums = self.0.0.lock().expect("nobody panics here");
        *sums.entry(self.1.clone()).or_default() += more;
    }
}

impl CounterFn for Sum {
    fn increment(&self, more: u64) {
        self.add(f64::from(u32::try_from(more).expect("few")));
    }

    fn absolute(&self, _: u64) {
        panic!("a counter counts");
    }
}

impl GaugeFn for Sum {
    fn increment(&self, more: f64) {
        self.add(more);
    }

    fn decrement(&self, less: f64) {
        self.add(-less);
    }

    fn set(&self, _: f64) {
        panic!("a gauge is moved");
    }
}

impl HistogramFn for Sum {
    fn record(&self, seconds: f64) {
        assert!((0.0..60.0).contains(&seconds), "{}: {seconds} s", self.1);
        self.add(1.0);
    }
}

impl Sums {
    fn of(&self, key: &Key) -> Arc<Sum> {
        let labels: Vec<_> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Arc::new(Sum(self.clone(), name))
    }

    /// Those that are not zero.
    fn read(&self) -> Vec<(String, f64)> {
        let sums = self.0.lock().expect("nobody panics here");
        let sums = sums.iter().filter(|it| *it.1 != 0.0);
        sums.map(|(name, sum)| (name.clone(), *sum)).collect()
    }
}

impl Recorder for Sums {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.of(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.of(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.of(key))
    }
}

#[test]
fn every_job_is_in_the_metrics_and_at_rest_the_gauges_are_zero() -> Result {
    let sums = Sums::default();
    let observer = with_local_recorder(&sums, || MetricsObserver::new("thumbnails"));
    let pool = Pool::builder()
        .workers(1..=1)
        .queue(2)
        .on_full(OnFull::Reject)
        .observer(observer)
        .build()?;
    let (gate, closed) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = std::sync::mpsc::channel();
    let blocked = pool.try_submit(move || {
        begun.send(()).expect("the test waits");
        closed.recv().expect_err("the gate is dropped");
    })?;
    begins.recv()?;
    let cancelled = pool.try_submit(|| ())?;
    let panics = pool.try_submit(|| panic!("no"))?;
    assert!(pool.try_submit(|| ()).is_err());
    assert_eq!(
        sums.read(),
        [
            ("pool_job_wait_seconds pool=thumbnails".to_owned(), 1.0),
            ("pool_jobs_queued pool=thumbnails".to_owned(), 2.0),
            (
                "pool_jobs_refused_total pool=thumbnails reason=full".to_owned(),
                1.0
            ),
            ("pool_jobs_running pool=thumbnails".to_owned(), 1.0),
            ("pool_workers pool=thumbnails".to_owned(), 1.0),
        ]
    );
    assert!(cancelled.cancel());
    drop(gate);
    blocked.join()?;
    let result: std::result::Result<(), _> = panics.join();
    assert!(result.is_err());
    drop(pool.shutdown_blocking(Shutdown::Drain(Duration::from_secs(60))));
    // The worker ends after its last job.
    let bound = std::time::Instant::now() + Duration::from_secs(60);
    while sums
        .read()
        .iter()
        .any(|it| it.0.starts_with("pool_workers"))
    {
        assert!(std::time::Instant::now() < bound, "the worker ends");
        std::thread::yield_now();
    }
    assert_eq!(
        sums.read(),
        [
            ("pool_job_run_seconds pool=thumbnails".to_owned(), 2.0),
            ("pool_job_wait_seconds pool=thumbnails".to_owned(), 2.0),
            (
                "pool_jobs_refused_total pool=thumbnails reason=full".to_owned(),
                1.0
            ),
            (
                "pool_jobs_total pool=thumbnails outcome=cancelled".to_owned(),
                1.0
            ),
            (
                "pool_jobs_total pool=thumbnails outcome=completed".to_owned(),
                1.0
            ),
            (
                "pool_jobs_total pool=thumbnails outcome=panicked".to_owned(),
                1.0
            ),
        ]
    );
    Ok(())
}

#[test]
fn each_end_and_each_refusal_has_a_name_of_its_own() {
    use SubmitErrorKind as Kind;
    let ends = [
        (Ending::Completed, "completed"),
        (Ending::Panicked, "panicked"),
        (Ending::Cancelled(CancelReason::Requested), "cancelled"),
        (Ending::Cancelled(CancelReason::DeadlineExceeded), "expired"),
        (Ending::Cancelled(CancelReason::Discarded), "discarded"),
        (Ending::Cancelled(CancelReason::Shutdown), "shutdown"),
        (Ending::Returned, "returned"),
    ];
    for (how, outcome) in ends {
        let sums = Sums::default();
        with_local_recorder(&sums, || MetricsObserver::new("p")).job_ended(how, None);
        let total = format!("pool_jobs_total pool=p outcome={outcome}");
        let queued = "pool_jobs_queued pool=p".to_owned();
        assert_eq!(sums.read(), [(queued, -1.0), (total, 1.0)]);
    }
    let refusals = [
        (Kind::Full, "full"),
        (Kind::TimedOut, "timed_out"),
        (Kind::Closed, "closed"),
        (Kind::DeadlinePassed, "deadline_passed"),
        (Kind::NoThread, "no_thread"),
    ];
    for (why, reason) in refusals {
        let sums = Sums::default();
        with_local_recorder(&sums, || MetricsObserver::new("p")).job_refused(why);
        let refused = format!("pool_jobs_refused_total pool=p reason={reason}");
        assert_eq!(sums.read(), [(refused, 1.0)]);
    }
}
