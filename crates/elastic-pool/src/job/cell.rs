//! The cell of a job: one allocation for its work, its result and who waits for it.
//!
//! A job is ended by who takes its work out of the cell, under the cell's lock: the worker that
//! runs it or somebody that cancels it. So it ends once, whoever races. None of the caller's code
//! runs under the lock: work, results and wakers are moved out of it first.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Poll, Waker};

use super::{Call, CancelReason, JobError, Log, Panic, Tally, contain, discard};
use crate::sync::Mutex;

pub(crate) struct Cell<W, T> {
    slot: Mutex<Slot<W, T>>,
}

enum Slot<W, T> {
    Queued {
        work: W,
        waiter: Option<Waker>,
        /// A shutdown has counted it already, as handed back.
        is_counted: bool,
    },
    Running {
        waiter: Option<Waker>,
    },
    Ended(Result<T, JobError>),
    /// The handle has the result.
    Taken,
}

/// What a pool does with a job whose result it does not know.
pub(crate) trait Runnable: Send + Sync {
    /// Runs it here. Does nothing if it has ended or is running already.
    fn run(&self, log: &Log<'_>);

    /// Ends it without running it. Says whether it was still to run.
    fn cancel(&self, reason: CancelReason, log: &Log<'_>) -> bool;

    /// The pool hands it back and counts it as that, whatever becomes of it. Says whether it was
    /// still to run.
    fn hand_back(&self, tally: &Tally) -> bool;
}

/// What a handle does with a job whose work it does not know.
pub(crate) trait Outcome<T>: Runnable {
    /// The result, or leaves the waker to be woken when it is there.
    fn poll(&self, waker: &Waker) -> Poll<Result<T, JobError>>;

    fn as_runnable(&self) -> &dyn Runnable;

    /// It has neither begun nor ended.
    fn is_queued(&self) -> bool;

    /// The result is there.
    fn is_ended(&self) -> bool;
}

impl<W, T> Cell<W, T> {
    pub(crate) fn new(work: W) -> Self {
        Self {
            slot: Mutex::new(Slot::Queued {
                work,
                waiter: None,
                is_counted: false,
            }),
        }
    }

    /// Takes the work to do it, and says whether it is counted already. `None` if somebody else
    /// has taken it.
    pub(crate) fn start(&self) -> Option<(W, bool)> {
        let mut slot = self.slot.lock();
        match mem::replace(&mut *slot, Slot::Taken) {
            Slot::Queued {
                work,
                waiter,
                is_counted,
            } => {
                *slot = Slot::Running { waiter };
                Some((work, is_counted))
            }
            other => {
                *slot = other;
                None
            }
        }
    }

    /// Ends it without running it. Says whether it was still to run.
    pub(crate) fn cancel_work(&self, reason: CancelReason, log: &Log<'_>) -> bool {
        let Some((work, is_counted)) = self.start() else {
            return false;
        };
        discard(work);
        let error = JobError::Cancelled(reason);
        if !is_counted {
            log.end(Err(&error), None);
        }
        self.end(Err(error));
        true
    }

    pub(crate) fn hand_back_work(&self, tally: &Tally) -> bool {
        let mut slot = self.slot.lock();
        let Slot::Queued { is_counted, .. } = &mut *slot else {
            return false;
        };
        *is_counted = true;
        // Under the lock: who ends it from now on finds it counted.
        tally.count_returned();
        true
    }

    /// Leaves the result and wakes who waits for it.
    pub(crate) fn end(&self, result: Result<T, JobError>) {
        let before = mem::replace(&mut *self.slot.lock(), Slot::Ended(result));
        if let Slot::Running {
            waiter: Some(waker),
        } = before
        {
            contain(|| waker.wake());
        }
    }
}

impl<F, T> Runnable for Cell<Call<F>, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    fn run(&self, log: &Log<'_>) {
        let Some((call, is_counted)) = self.start() else {
            return;
        };
        // One that was handed back is not seen: the pool has let go of it.
        let began = (!is_counted).then(|| log.begin()).flatten();
        // The call consumes the closure, so what it has captured is gone before the handle knows.
        let result = catch_unwind(AssertUnwindSafe(|| call.run()))
            .map_err(|payload| JobError::Panicked(Panic::new(payload)));
        if !is_counted {
            log.end(result.as_ref().map(drop), began);
        }
        self.end(result);
    }

    fn cancel(&self, reason: CancelReason, log: &Log<'_>) -> bool {
        self.cancel_work(reason, log)
    }

    fn hand_back(&self, tally: &Tally) -> bool {
        self.hand_back_work(tally)
    }
}

impl<W, T> Outcome<T> for Cell<W, T>
where
    W: Send,
    T: Send,
    Self: Runnable,
{
    fn poll(&self, waker: &Waker) -> Poll<Result<T, JobError>> {
        let mut slot = self.slot.lock();
        let replaced = match &mut *slot {
            Slot::Queued { waiter, .. } | Slot::Running { waiter } => match waiter {
                Some(old) if old.will_wake(waker) => None,
                // Cloning is foreign code, but a waker's: it may not panic or block.
                _ => waiter.replace(waker.clone()),
            },
            Slot::Ended(_) | Slot::Taken => {
                return match mem::replace(&mut *slot, Slot::Taken) {
                    Slot::Ended(result) => Poll::Ready(result),
                    _ => panic!("a JobHandle was polled after it had given its result"),
                };
            }
        };
        drop(slot);
        drop(replaced);
        Poll::Pending
    }

    fn as_runnable(&self) -> &dyn Runnable {
        self
    }

    fn is_queued(&self) -> bool {
        matches!(&*self.slot.lock(), Slot::Queued { .. })
    }

    fn is_ended(&self) -> bool {
        matches!(&*self.slot.lock(), Slot::Ended(_))
    }
}
