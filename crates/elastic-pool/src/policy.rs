//! What a pool does when its queue is full, and how it grows.

use std::time::Duration;

/// What happens to a job that finds the queue full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnFull {
    /// It waits for room: `execute` and `submit_blocking` block, `submit` waits, and `try_submit`,
    /// which never waits, is refused.
    #[default]
    Wait,
    /// It is refused and given back.
    Reject,
    /// The caller runs it, and submits nothing else meanwhile.
    CallerRuns,
    /// The job that has waited for the longest is cancelled, and this one takes its place.
    DiscardOldest,
}

/// When a blocking pool starts another worker, as long as it has fewer than the most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scaling {
    /// For each job that finds no worker idle, and one to spare: for jobs that wait, as for a disk
    /// or a database, so that more of them can wait at once.
    #[default]
    Eager,
    /// When the oldest job has waited for so long: for jobs that compute, of which more at once
    /// than there are processors end no earlier.
    TargetDelay(Duration),
}

/// How a pool is shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shutdown {
    /// Runs what is queued, for so long at most. What has not begun by then is handed back.
    Drain(Duration),
    /// Hands back what is queued at once, and waits so long for what runs.
    Cancel(Duration),
}
