//! What a shutdown leaves.

use std::fmt;

use crate::job::{CancelReason, Job, Log, Tally};

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
    job: Option<Job>,
}

impl Unstarted {
    pub(crate) const fn new(job: Job) -> Self {
        Self { job: Some(job) }
    }

    /// Runs the job in the calling thread. A panic of the job goes to its handle.
    pub fn run(mut self) {
        if let Some(job) = self.job.take() {
            job.run(&Log::unseen(&Tally::default()));
        }
    }
}

impl Drop for Unstarted {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            job.cancel(CancelReason::Shutdown, &Log::unseen(&Tally::default()));
        }
    }
}

impl fmt::Debug for Unstarted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unstarted").finish_non_exhaustive()
    }
}
