//! A job as it lies in a queue.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Call, CancelReason, JobError, Log, Panic, Runnable, Tally, discard};
use crate::raw::Cell;

pub(crate) enum Job {
    /// There is a handle, which may end it too.
    Shared(Arc<dyn Runnable>),
    /// There is none: who has taken it out of the queue has it alone.
    Owned(Box<dyn Work>),
}

/// Work that somebody has alone.
pub(crate) trait Work: Send {
    fn run(self: Box<Self>, log: &Log<'_>);

    fn cancel(self: Box<Self>, reason: CancelReason, log: &Log<'_>);

    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl Job {
    pub(crate) fn owned<F, T>(job: F) -> Self
    where
        F: FnOnce() -> T + Send + 'static,
    {
        Self::Owned(Box::new(Call::new(job)))
    }

    /// Runs it here, if its handle has not ended it.
    pub(crate) fn run(self, log: &Log<'_>) {
        match self {
            Self::Shared(job) => {
                job.run(log);
                // If nobody has the handle, the result goes here: its `drop` is the caller's code.
                discard(job);
            }
            Self::Owned(work) => work.run(log),
        }
    }

    /// Ends it without running it.
    pub(crate) fn cancel(self, reason: CancelReason, log: &Log<'_>) {
        match self {
            Self::Shared(job) => {
                job.cancel(reason, log);
                discard(job);
            }
            Self::Owned(work) => work.cancel(reason, log),
        }
    }

    /// The pool hands it back and counts it as that, whatever becomes of it. Says whether it was
    /// still to run.
    pub(crate) fn hand_back(&self, tally: &Tally) -> bool {
        match self {
            Self::Shared(job) => job.hand_back(tally),
            Self::Owned(_) => {
                tally.count_returned();
                true
            }
        }
    }

    /// The closure. `None` if it is another one.
    pub(crate) fn into_closure<F, T>(self) -> Option<F>
    where
        F: Send + 'static,
        T: Send + 'static,
    {
        let call = match self {
            Self::Shared(job) => {
                let cell = job.into_any().downcast::<Cell<Call<F>, T>>().ok()?;
                Cell::start(cell)?.0
            }
            Self::Owned(work) => *work.into_any().downcast::<Call<F>>().ok()?,
        };
        Some(call.into_closure())
    }
}

impl<F, T> Work for Call<F>
where
    F: FnOnce() -> T + Send + 'static,
{
    fn run(self: Box<Self>, log: &Log<'_>) {
        let began = log.begin();
        match catch_unwind(AssertUnwindSafe(|| Call::run(*self))) {
            Ok(value) => {
                log.end(Ok(()), began);
                discard(value);
            }
            Err(payload) => {
                let error = JobError::Panicked(Panic::new(payload));
                log.end(Err(&error), began);
                discard(error);
            }
        }
    }

    fn cancel(self: Box<Self>, reason: CancelReason, log: &Log<'_>) {
        log.end(Err(&JobError::Cancelled(reason)), None);
        discard(self);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
