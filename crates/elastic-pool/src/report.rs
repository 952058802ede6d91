//! What a shutdown leaves.

use std::fmt;

use crate::job::{CancelReason, Job, Log, Tally};
#[cfg(feature = "task")]
use crate::task::Handed;

/// What became of the jobs of a pool that was shut down.
#[derive(Debug)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Jobs that have returned, since the pool was built.
    pub completed: u64,
    /// Jobs that have panicked.
    pub panicked: u64,
    /// Jobs that were cancelled.
    pub cancelled: u64,
    /// Jobs that still run. A thread cannot be stopped from outside: they end by themselves.
    pub still_running: usize,
    /// Jobs that were accepted and never ran.
    pub unstarted: Vec<Unstarted>,
}

impl ShutdownReport {
    /// Whether every job has ended.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.still_running == 0 && self.unstarted.is_empty()
    }
}

/// A job that was accepted and never ran.
///
/// Its handle is pending until this is [run](Self::run), or dropped: then the handle says
/// [`CancelReason::Shutdown`].
#[must_use = "dropping it cancels the job"]
pub struct Unstarted {
    /// `None` once it has run.
    job: Option<Rest>,
}

enum Rest {
    Job(Job),
    #[cfg(feature = "task")]
    Task(Handed),
}

impl Unstarted {
    pub(crate) const fn new(job: Job) -> Self {
        Self {
            job: Some(Rest::Job(job)),
        }
    }

    #[cfg(feature = "task")]
    pub(crate) const fn of_task(task: Handed) -> Self {
        Self {
            job: Some(Rest::Task(task)),
        }
    }

    /// Runs the job in the calling thread. A task is spawned on the runtime of its pool, without a
    /// limit. A panic of the job goes to its handle.
    pub fn run(mut self) {
        match self.job.take() {
            Some(Rest::Job(job)) => job.run(&Log::unseen(&Tally::default())),
            #[cfg(feature = "task")]
            Some(Rest::Task(task)) => task.spawn(),
            None => {}
        }
    }
}

impl Drop for Unstarted {
    fn drop(&mut self) {
        match self.job.take() {
            Some(Rest::Job(job)) => {
                job.cancel(CancelReason::Shutdown, &Log::unseen(&Tally::default()));
            }
            #[cfg(feature = "task")]
            Some(Rest::Task(task)) => task.cancel(),
            None => {}
        }
    }
}

impl fmt::Debug for Unstarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unstarted").finish_non_exhaustive()
    }
}
