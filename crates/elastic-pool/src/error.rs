//! What can be wrong with the settings of a pool, and with a submission.

use std::fmt;
use std::io;

use thiserror::Error;

use crate::Panic;

/// Why a builder refused its settings. The message says what to change.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No worker is allowed, or fewer than the least.
    #[error("workers are {min}..={max}: the last must be 1 or more, and no less than the first")]
    #[non_exhaustive]
    Workers {
        /// The least.
        min: usize,
        /// The most.
        max: usize,
    },
    /// A queue that can hold nothing, or too much.
    #[error("queue is {queue}: set it from 1 to 2^31, the default is 1024")]
    #[non_exhaustive]
    Queue {
        /// The value given.
        queue: usize,
    },
    /// No job may run, or more than can be counted.
    #[error("limit is {limit}: set it from 1 to 2^28, the default is 64")]
    #[non_exhaustive]
    Limit {
        /// The value given.
        limit: usize,
    },
    /// There is no tokio runtime to run tasks on.
    #[error("no tokio runtime: build the pool inside of one, as in an async fn")]
    NoRuntime,
    /// The observer cannot work: it panicked when it was shown the pool.
    #[error(
        "the observer panicked ({panic}): repair it, as a lock of it that is poisoned, or leave it out"
    )]
    #[non_exhaustive]
    Observer {
        /// What it panicked with.
        panic: Panic,
    },
    /// The system refused the threads that are always there.
    #[error("can't start a worker: allow this process more threads, or lower the least `workers`")]
    #[non_exhaustive]
    Thread {
        /// What the system said.
        source: io::Error,
    },
}

/// A submission that was refused, with the job.
pub struct SubmitError<F> {
    kind: SubmitErrorKind,
    job: F,
    source: Option<io::Error>,
}

/// Why a submission was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubmitErrorKind {
    /// The queue is full.
    Full,
    /// The queue was full for as long as the caller would wait.
    TimedOut,
    /// The pool is closed.
    Closed,
    /// The job's deadline had passed before it was queued.
    DeadlinePassed,
    /// The pool has no worker, and the system refused to start one.
    NoThread,
}

impl<F> SubmitError<F> {
    /// The source is that of [`SubmitErrorKind::NoThread`].
    pub(crate) const fn new(kind: SubmitErrorKind, source: Option<io::Error>, job: F) -> Self {
        Self { kind, job, source }
    }

    /// Why it was refused.
    #[must_use]
    pub const fn kind(&self) -> SubmitErrorKind {
        self.kind
    }

    /// The job, as it was given.
    #[must_use]
    pub fn into_job(self) -> F {
        self.job
    }

    /// There was no room in the queue, so that it may help to try later.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        matches!(self.kind, SubmitErrorKind::Full | SubmitErrorKind::TimedOut)
    }

    /// The pool takes no more jobs.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.kind, SubmitErrorKind::Closed)
    }
}

impl<F> fmt::Display for SubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            SubmitErrorKind::Full => {
                "the queue is full: try later, wait with `submit`, or shed load"
            }
            SubmitErrorKind::TimedOut => "the queue stayed full: wait longer, or shed load",
            SubmitErrorKind::Closed => "the pool is closed: submit before it is shut down",
            SubmitErrorKind::DeadlinePassed => {
                "the job's deadline has passed: set one that lies ahead"
            }
            SubmitErrorKind::NoThread => {
                "the pool has no worker and can't start one: allow this process more threads"
            }
        })
    }
}

// Not derived: a closure has no `Debug`.
impl<F> fmt::Debug for SubmitError<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitError")
            .field("kind", &self.kind)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl<F> std::error::Error for SubmitError<F> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}
