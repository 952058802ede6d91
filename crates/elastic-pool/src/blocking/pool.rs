//! The handle to a pool.

use std::fmt;
use std::io;
use std::ops::{Add, RangeInclusive};
use std::sync::Arc;

use super::Builder;
use super::builder::check_workers;
use super::shared::Shared;
use crate::job::{Ended, contain};
use crate::sync::Ordering;
use crate::{BuildError, Metrics, OnFull};

/// A pool of threads that come and go with the load.
///
/// A clone is another handle to the same pool. When the last one is dropped the pool is
/// [closed](Self::close): what is queued still runs, and then the threads end.
///
/// # Examples
///
/// ```
/// use elastic_pool::blocking;
///
/// let pool = blocking::Pool::builder().workers(0..=8).build()?;
/// let handles: Vec<_> = (1..=3)
///     .map(|n| pool.submit_blocking(move || n * n, None))
///     .collect::<Result<_, _>>()?;
/// let mut sum = 0;
/// for handle in handles {
///     sum += handle.join()?;
/// }
/// assert_eq!(sum, 14);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Pool {
    pub(super) guard: Arc<Guard>,
}

/// Closes the pool when the last handle is gone. The threads hold what is inside, not this.
pub(super) struct Guard {
    pub(super) shared: Arc<Shared>,
    pub(super) on_full: OnFull,
}

impl Pool {
    /// Starts a pool of at most 16 threads per processor, with a queue of 1024 jobs.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(super) fn new(shared: Arc<Shared>, on_full: OnFull) -> Self {
        Self {
            guard: Arc::new(Guard { shared, on_full }),
        }
    }

    /// Starts workers until the least are there.
    pub(super) fn start_least(&self) -> io::Result<()> {
        let shared = &self.guard.shared;
        while shared.with(|desk| desk.is_short()) {
            shared.start_or_refuse()?;
        }
        Ok(())
    }

    /// Changes the least and the most workers. Workers that are too many end after their job.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if the range is empty or ends with 0, and then nothing has changed; or if
    /// the system refuses a thread, and then the pool has fewer than the least.
    pub fn resize(&self, workers: RangeInclusive<usize>) -> Result<(), BuildError> {
        check_workers(&workers)?;
        self.guard.shared.with(|desk| {
            desk.settings.min = *workers.start();
            desk.settings.max = *workers.end();
            desk.rouse();
            desk.recruit(1);
        });
        self.start_least()
            .map_err(|source| BuildError::Thread { source })
    }

    /// Takes no more jobs. What is queued still runs, and then the threads end.
    pub fn close(&self) {
        self.guard.close();
    }

    /// Whether the pool takes no more jobs.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.guard.shared.state.lock().is_closed
    }

    /// What the pool does, and what it has done.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.guard.shared.metrics()
    }
}

impl Guard {
    fn close(&self) {
        let waiters: Vec<_> = self.shared.with(|desk| {
            desk.close();
            std::iter::from_fn(|| desk.waiters.pop_front()).collect()
        });
        for waker in waiters {
            contain(|| waker.wake());
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// How many jobs have ended in which way.
    fn ended(&self) -> Ended {
        // A worker that leaves moves its counts under this lock: they are in one place or the other.
        let tallies = self.tallies.lock();
        let all = tallies.iter().map(|tally| tally.read());
        all.fold(self.elsewhere.read(), Add::add)
    }

    pub(super) fn metrics(&self) -> Metrics {
        // Those that have ended are read before those that were accepted: never more than those.
        let ended = self.ended();
        let counters = &self.counters;
        // ORDERING: Relaxed. Counters that guard nothing.
        let started = counters.started.load(Ordering::Relaxed);
        let refused = counters.refused.load(Ordering::Relaxed);
        let state = self.state.lock();
        let inbox = self.inbox.lock();
        Metrics {
            workers: state.workers,
            busy: state.busy,
            queued: state.outbox.len() + inbox.jobs.len(),
            accepted: inbox.accepted(),
            completed: ended.completed,
            panicked: ended.panicked,
            cancelled: ended.cancelled,
            returned: ended.returned,
            threads_started: started,
            threads_refused: refused,
            controller_panicked: self.control.has_panicked(),
            observer_panicked: self.watch.has_panicked(),
            wait: self.timings.wait.read(),
            run: self.timings.run.read(),
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metrics = self.metrics();
        f.debug_struct("Pool")
            .field("workers", &metrics.workers)
            .field("busy", &metrics.busy)
            .field("queued", &metrics.queued)
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
