//! How a job ends without a result.

use std::any::Any;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};

use thiserror::Error;

/// Why a job has no result.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JobError {
    /// The job panicked. The pool goes on, and the payload is here.
    #[error("the job panicked: {0}")]
    Panicked(Panic),
    /// The job never ran.
    #[error("the job was cancelled: {0}")]
    Cancelled(CancelReason),
}

impl JobError {
    /// The job panicked.
    #[must_use]
    pub const fn is_panicked(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// The job was cancelled, for whatever reason.
    #[must_use]
    pub const fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled(_))
    }

    /// Why the job was cancelled, if it was.
    #[must_use]
    pub const fn cancel_reason(&self) -> Option<CancelReason> {
        match self {
            Self::Cancelled(reason) => Some(*reason),
            Self::Panicked(_) => None,
        }
    }
}

/// Why a job was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelReason {
    /// Somebody called `cancel`.
    Requested,
    /// Its deadline passed while it was queued.
    DeadlineExceeded,
    /// The queue was full, and the pool's policy is to discard the oldest job.
    Discarded,
    /// The pool was shut down.
    Shutdown,
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Requested => "its handle asked for it",
            Self::DeadlineExceeded => "its deadline passed while it was queued",
            Self::Discarded => "the queue was full and it was the oldest",
            Self::Shutdown => "the pool was shut down",
        })
    }
}

/// What a job panicked with.
pub struct Panic(Box<Thrown>);

struct Thrown {
    message: Option<Box<str>>,
    /// In a lock, because a payload need not be `Sync`, and an error should be.
    payload: Mutex<Box<dyn Any + Send>>,
}

impl Panic {
    pub(crate) fn new(payload: Box<dyn Any + Send>) -> Self {
        let message = payload
            .downcast_ref::<&str>()
            .map(|text| Box::from(*text))
            .or_else(|| {
                payload
                    .downcast_ref::<String>()
                    .map(|text| Box::from(&**text))
            });
        Self(Box::new(Thrown {
            message,
            payload: Mutex::new(payload),
        }))
    }

    /// The text given to `panic!`. `None` if the payload is not a text.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// The payload, as from [`std::thread::JoinHandle::join`].
    #[must_use]
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        let payload = self.0.payload.into_inner();
        payload.unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on panicking, here.
    pub fn resume(self) -> ! {
        resume_unwind(self.into_payload())
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            self.message()
                .unwrap_or("with a payload that is not a text"),
        )
    }
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic").field(&self.message()).finish()
    }
}
