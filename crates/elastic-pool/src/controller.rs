//! Who says how many workers a pool should have.

use std::time::Duration;

/// Says how many workers a [`blocking::Pool`](crate::blocking::Pool) should have at most, as its load
/// changes. It stays within the pool's `workers`, and there is always one.
///
/// It is asked after each submission and whenever a worker takes a job or finds none, in the thread
/// of either, outside all locks: so it is to be quick. While one thread asks, it asks once more for
/// all that come meanwhile. There is no ticker; who wants to be asked when nothing happens says so in
/// [`again`](Self::again).
///
/// It is a function of what it is told: it needs no clock and no pool, and is tested without them.
/// One that panics is not asked again; then the pool grows as without it, and
/// [`Metrics::controller_panicked`](crate::Metrics) says so.
///
/// # Examples
///
/// No more jobs at once than the resource serves in time:
///
/// ```
/// use std::time::Duration;
/// use elastic_pool::{Controller, Window, blocking};
///
/// struct Patience(Duration);
///
/// impl Controller for Patience {
///     fn limit(&mut self, _now: Duration, window: &Window) -> usize {
///         match window.mean_run() {
///             Some(run) if run > self.0 => window.limit / 2,
///             Some(_) if window.busy == window.limit => window.limit + 1,
///             _ => window.limit,
///         }
///     }
/// }
///
/// let pool = blocking::Pool::builder()
///     .workers(0..=64)
///     .controller(Patience(Duration::from_millis(50)))
///     .build()?;
/// assert_eq!(pool.try_submit(|| 7)?.join()?, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Controller: Send + 'static {
    /// How many workers there should be at most. `now` is the time since the pool was built.
    fn limit(&mut self, now: Duration, window: &Window) -> usize;

    /// When to be asked again though nothing happens: `None`, unless implemented, for never. The
    /// window is that of [`limit`](Self::limit), with its answer as the limit.
    fn again(&self, now: Duration, window: &Window) -> Option<Duration> {
        let _ = (now, window);
        None
    }
}

/// What a [`Controller`] is told: the pool as it is, and what has ended since it was asked before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// Workers, whether busy or idle.
    pub workers: usize,
    /// Workers that run a job.
    pub busy: usize,
    /// Jobs that wait.
    pub queued: usize,
    /// How long the oldest of them has waited.
    pub oldest: Duration,
    /// How many workers there may be: what the controller has said, within the pool's range.
    pub limit: usize,
    /// Jobs that have run to their end.
    pub ended: u64,
    /// How long they waited, all together.
    pub wait: Duration,
    /// How long they ran, all together.
    pub run: Duration,
}

impl Window {
    /// How long those that have ended ran, on average. `None` if there are none.
    #[must_use]
    pub fn mean_run(&self) -> Option<Duration> {
        mean(self.run, self.ended)
    }

    /// How long those that have ended waited, on average. `None` if there are none.
    #[must_use]
    pub fn mean_wait(&self) -> Option<Duration> {
        mean(self.wait, self.ended)
    }
}

fn mean(sum: Duration, count: u64) -> Option<Duration> {
    let nanos = crate::clock::nanos(sum).checked_div(count)?;
    Some(Duration::from_nanos(nanos))
}
