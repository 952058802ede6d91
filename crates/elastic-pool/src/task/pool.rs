//! The handle to a pool.

use std::fmt;
use std::sync::Arc;

use super::Builder;
use super::builder::check_limit;
use super::shared::Shared;
use crate::{BuildError, Metrics};

/// A limit on how many futures run at once, with a queue for the others.
///
/// A clone is another handle to the same pool. When the last one is dropped the pool is
/// [closed](Self::close): what is queued still runs.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use elastic_pool::{Shutdown, task};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = task::Pool::builder().limit(16).build()?;
/// let handle = pool.submit(async { 6 * 7 }).await?;
/// assert_eq!(handle.await?, 42);
/// assert!(pool.shutdown(Shutdown::Drain(Duration::from_secs(5))).await.is_clean());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Pool {
    pub(super) guard: Arc<Guard>,
}

/// Closes the pool when the last handle is gone. The tasks hold what is inside, not this.
pub(super) struct Guard {
    pub(super) shared: Arc<Shared>,
}

impl Pool {
    /// Starts a pool that runs 64 jobs at once, with a queue of 1024.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            guard: Arc::new(Guard { shared }),
        }
    }

    /// Changes how many jobs may run at once. Those that are too many run to their end.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if the limit is out of range, and then nothing has changed.
    pub fn resize(&self, limit: usize) -> Result<(), BuildError> {
        check_limit(limit)?;
        let shared = &self.guard.shared;
        shared.move_limit(limit);
        shared.start_waiting();
        Ok(())
    }

    /// Takes no more jobs. What is queued still runs.
    pub fn close(&self) {
        self.guard.shared.close();
    }

    /// Whether the pool takes no more jobs.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.guard.shared.state.lock().is_closed
    }

    /// What the pool does, and what it has done. A job that runs is a worker that is busy.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.guard.shared.metrics()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    pub(super) fn metrics(&self) -> Metrics {
        // Those that have ended are read before those that were accepted: never more than those.
        let ended = self.tally.read();
        let state = self.state.lock();
        Metrics {
            workers: state.running,
            busy: state.running,
            queued: state.queue.len(),
            accepted: state.accepted,
            completed: ended.completed,
            panicked: ended.panicked,
            cancelled: ended.cancelled,
            returned: ended.returned,
            observer_panicked: self.watch.has_panicked(),
            wait: self.timings.wait.read(),
            run: self.timings.run.read(),
            ..Metrics::default()
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metrics = self.metrics();
        f.debug_struct("Pool")
            .field("running", &metrics.busy)
            .field("queued", &metrics.queued)
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
