//! What a pool does, for the crate `metrics`.

use std::fmt;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, SharedString, counter, gauge, histogram};

use crate::{CancelReason, Ending, Observer, SubmitErrorKind};

/// Counts and times jobs for the crate `metrics`, under the label `pool`.
/// The book lists the names, in its chapter on observing.
///
/// It finds the recorder when it is made: install that first.
///
/// # Examples
///
/// ```
/// use elastic_pool::{MetricsObserver, blocking};
///
/// let pool = blocking::Pool::builder().observer(MetricsObserver::new("thumbnails")).build()?;
/// # drop(pool);
/// # Ok::<(), elastic_pool::BuildError>(())
/// ```
pub struct MetricsObserver {
    workers: Gauge,
    queued: Gauge,
    running: Gauge,
    ended: [Counter; OUTCOMES.len()],
    refused: [Counter; REASONS.len()],
    threads_refused: Counter,
    wait: Histogram,
    run: Histogram,
}

const OUTCOMES: [&str; 7] = [
    "completed",
    "panicked",
    "cancelled",
    "expired",
    "discarded",
    "shutdown",
    "returned",
];

const REASONS: [&str; 5] = [
    "full",
    "timed_out",
    "closed",
    "deadline_passed",
    "no_thread",
];

impl MetricsObserver {
    /// For a pool of that name.
    #[must_use]
    pub fn new(pool: impl Into<SharedString>) -> Self {
        let pool = pool.into();
        Self {
            workers: gauge!("pool_workers", "pool" => pool.clone()),
            queued: gauge!("pool_jobs_queued", "pool" => pool.clone()),
            running: gauge!("pool_jobs_running", "pool" => pool.clone()),
            ended: OUTCOMES.map(
                |outcome| counter!("pool_jobs_total", "pool" => pool.clone(), "outcome" => outcome),
            ),
            refused: REASONS.map(|reason| {
                counter!("pool_jobs_refused_total", "pool" => pool.clone(), "reason" => reason)
            }),
            threads_refused: counter!("pool_threads_refused_total", "pool" => pool.clone()),
            wait: histogram!("pool_job_wait_seconds", "pool" => pool.clone()),
            run: histogram!("pool_job_run_seconds", "pool" => pool),
        }
    }
}

impl Observer for MetricsObserver {
    fn job_queued(&self) {
        self.queued.increment(1);
    }

    fn job_refused(&self, why: SubmitErrorKind) {
        let reason = match why {
            SubmitErrorKind::Full => 0,
            SubmitErrorKind::TimedOut => 1,
            SubmitErrorKind::Closed => 2,
            SubmitErrorKind::DeadlinePassed => 3,
            SubmitErrorKind::NoThread => 4,
        };
        self.refused[reason].increment(1);
    }

    fn job_started(&self, wait: Duration) {
        self.queued.decrement(1);
        self.running.increment(1);
        self.wait.record(wait);
    }

    fn job_ended(&self, how: Ending, run: Option<Duration>) {
        match run {
            Some(run) => {
                self.running.decrement(1);
                self.run.record(run);
            }
            None => self.queued.decrement(1),
        }
        let outcome = match how {
            Ending::Completed => 0,
            Ending::Panicked => 1,
            Ending::Cancelled(CancelReason::Requested) => 2,
            Ending::Cancelled(CancelReason::DeadlineExceeded) => 3,
            Ending::Cancelled(CancelReason::Discarded) => 4,
            Ending::Cancelled(CancelReason::Shutdown) => 5,
            Ending::Returned => 6,
        };
        self.ended[outcome].increment(1);
    }

    fn worker_started(&self) {
        self.workers.increment(1);
    }

    fn worker_stopped(&self) {
        self.workers.decrement(1);
    }

    fn thread_refused(&self) {
        self.threads_refused.increment(1);
    }
}

impl fmt::Debug for MetricsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsObserver").finish_non_exhaustive()
    }
}
