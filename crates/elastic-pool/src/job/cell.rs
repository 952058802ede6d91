//! What becomes of a job in its [cell](Cell), whoever comes to it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Call, CancelReason, JobError, Log, Panic, Tally, discard};
use crate::raw::Cell;

/// What a pool does with a job whose result it does not know.
pub(crate) trait Runnable: Send + Sync {
    /// Runs it here. Does nothing if it has ended or is running already.
    fn run(&self, log: &Log<'_>);

    /// Ends it without running it. Says whether it was still to run.
    fn cancel(&self, reason: CancelReason, log: &Log<'_>) -> bool;

    /// The pool hands it back and counts it as that, whatever becomes of it. Says whether it was
    /// still to run.
    fn hand_back(&self, tally: &Tally) -> bool;

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<W, T> Cell<W, T> {
    /// Ends it without running it. Says whether it was still to run.
    pub(crate) fn cancel_work(&self, reason: CancelReason, log: &Log<'_>) -> bool {
        let Some((work, begun)) = Self::start(self) else {
            return false;
        };
        discard(work);
        let error = JobError::Cancelled(reason);
        if !begun.is_counted() {
            log.end(Err(&error), None);
        }
        begun.end(Err(error));
        true
    }

    pub(crate) fn hand_back_work(&self, tally: &Tally) -> bool {
        self.hand_back(|| tally.count_returned())
    }
}

impl<F, T> Runnable for Cell<Call<F>, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn run(&self, log: &Log<'_>) {
        let Some((call, begun)) = Self::start(self) else {
            return;
        };
        // One that was handed back is not seen: the pool has let go of it.
        let is_seen = !begun.is_counted();
        let since = is_seen.then(|| log.begin()).flatten();
        // The call consumes the closure, so what it has captured is gone before the handle knows.
        let result = catch_unwind(AssertUnwindSafe(|| call.run()))
            .map_err(|payload| JobError::Panicked(Panic::new(payload)));
        if is_seen {
            log.end(result.as_ref().map(drop), since);
        }
        begun.end(result);
    }

    fn cancel(&self, reason: CancelReason, log: &Log<'_>) -> bool {
        self.cancel_work(reason, log)
    }

    fn hand_back(&self, tally: &Tally) -> bool {
        self.hand_back_work(tally)
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
