//! What can go wrong with a cached repository.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::Done;

/// Why there is no answer. A value that does not exist is none of these.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CacheError<E: Error + 'static> {
    /// The caller's context is over. What it waited for goes on for the others.
    #[error("gave up waiting")]
    Done(#[source] Done),

    /// The repository has failed. All who wait for the same load get the same error, and so do
    /// those who come before it is tried again.
    #[error("the repository has failed")]
    Failed(#[source] Arc<E>),

    /// The repository has not answered within the load timeout.
    #[error("the repository has not answered within {limit:?}: is it slow, or load_timeout short?")]
    #[non_exhaustive]
    TimedOut {
        /// The load timeout.
        limit: Duration,
    },

    /// The repository has panicked.
    #[error("the repository has panicked: the panic hook has told where")]
    Panicked,

    /// A load of several keys has returned one that it was not asked for.
    #[error("load_many has returned a key that it was not asked for, so none of it was believed")]
    WrongKey,

    /// The runtime has shut down before there was an answer.
    #[error("the load was abandoned: its runtime has shut down")]
    Abandoned,
}

impl<E: Error + 'static> CacheError<E> {
    /// What ended the caller's context, if that is why.
    #[must_use]
    pub fn done(&self) -> Option<&Done> {
        match self {
            Self::Done(done) => Some(done),
            _ => None,
        }
    }

    /// The error of the repository, if it has failed.
    #[must_use]
    pub fn failed(&self) -> Option<&E> {
        match self {
            Self::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Whether time was what was missing: the caller's or the load's.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Done(done) => done.is_timeout(),
            Self::TimedOut { .. } => true,
            _ => false,
        }
    }
}

impl<E: Error + 'static> From<Done> for CacheError<E> {
    fn from(done: Done) -> Self {
        Self::Done(done)
    }
}

// Not derived: the error itself need not be `Clone`.
impl<E: Error + 'static> Clone for CacheError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Done(done) => Self::Done(done.clone()),
            Self::Failed(error) => Self::Failed(Arc::clone(error)),
            Self::TimedOut { limit } => Self::TimedOut { limit: *limit },
            Self::Panicked => Self::Panicked,
            Self::WrongKey => Self::WrongKey,
            Self::Abandoned => Self::Abandoned,
        }
    }
}

/// What [`Cached::close`](crate::Cached::close) has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Loads that were running and have come to their end.
    pub finished: usize,
    /// Loads that had not ended in time, and go on without anybody to wait for them.
    pub left: usize,
    /// Keys that were written and that Redis could not be told of in time. It is told in the
    /// background as long as the runtime is there. Until then others may be given the old value, for
    /// no longer than its time to live.
    pub untold: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            finished,
            left,
            untold,
        } = self;
        write!(
            f,
            "{finished} loads finished, {left} left behind, {untold} writes untold"
        )
    }
}
