//! The cell of a job: one allocation for its work, its result and who waits for it.
//!
//! A job is ended by who takes its work out of the cell, under the cell's lock: the worker that
//! runs it or somebody that cancels it. So it ends once, whoever races. None of the caller's code
//! runs under the lock: work, results and wakers are moved out of it first.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Poll, Waker};

use super::{CancelReason, JobError, Panic, contain, discard};
use crate::sync::{AtomicU64, Mutex, Ordering};

/// A closure as work. It is a type of its own so that other work can be kept in a [`Cell`] too.
#[derive(Debug)]
pub(crate) struct Call<F>(pub(crate) F);

pub(crate) struct Cell<W, T> {
    slot: Mutex<Slot<W, T>>,
}

enum Slot<W, T> {
    Queued {
        work: W,
        waiter: Option<Waker>,
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
    fn run(&self, tally: &Tally);

    /// Ends it without running it. Says whether it was still to run.
    fn cancel(&self, reason: CancelReason) -> bool;
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

/// How many jobs have ended in which way. It is counted before the handle is told, so that who
/// has waited for all handles finds all jobs counted.
#[derive(Debug, Default)]
// A cache line for each: workers do not slow each other down.
#[repr(align(64))]
pub(crate) struct Tally {
    completed: AtomicU64,
    panicked: AtomicU64,
}

impl Tally {
    pub(crate) fn count(&self, is_panic: bool) {
        let counter = if is_panic {
            &self.panicked
        } else {
            &self.completed
        };
        // ORDERING: Relaxed. It guards no other memory; the cell's lock orders it before the
        // result that a reader has seen.
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> (u64, u64) {
        // ORDERING: Relaxed, as above.
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.completed), read(&self.panicked))
    }

    /// Adds what another one has counted.
    pub(crate) fn absorb(&self, other: &Self) {
        let (completed, panicked) = other.read();
        // ORDERING: Relaxed, as above.
        self.completed.fetch_add(completed, Ordering::Relaxed);
        self.panicked.fetch_add(panicked, Ordering::Relaxed);
    }
}

impl<W, T> Cell<W, T> {
    pub(crate) fn new(work: W) -> Self {
        Self {
            slot: Mutex::new(Slot::Queued { work, waiter: None }),
        }
    }

    /// Takes the work to do it. `None` if somebody else has.
    pub(crate) fn start(&self) -> Option<W> {
        let mut slot = self.slot.lock();
        match mem::replace(&mut *slot, Slot::Taken) {
            Slot::Queued { work, waiter } => {
                *slot = Slot::Running { waiter };
                Some(work)
            }
            other => {
                *slot = other;
                None
            }
        }
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
    fn run(&self, tally: &Tally) {
        let Some(Call(work)) = self.start() else {
            return;
        };
        // The call consumes the closure, so what it has captured is gone before the handle knows.
        let result = catch_unwind(AssertUnwindSafe(work));
        tally.count(result.is_err());
        self.end(result.map_err(|payload| JobError::Panicked(Panic::new(payload))));
    }

    fn cancel(&self, reason: CancelReason) -> bool {
        let Some(work) = self.start() else {
            return false;
        };
        discard(work);
        self.end(Err(JobError::Cancelled(reason)));
        true
    }
}

impl<F, T> Outcome<T> for Cell<Call<F>, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
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
