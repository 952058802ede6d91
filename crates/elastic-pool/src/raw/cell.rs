//! The word and what it guards.

use std::mem;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Poll, Waker};

use crate::job::{JobError, Runnable, contain};
use crate::sync::{AtomicU8, Ordering, UnsafeCell, yield_now};

/// Somebody has taken the work.
const STARTED: u8 = 1;
/// The result is there.
const ENDED: u8 = 1 << 1;
/// The handle has left a waker.
const WAITER: u8 = 1 << 2;
/// A shutdown hands the job back, and counts it as that.
const HANDED_BACK: u8 = 1 << 3;
/// It has.
const COUNTED: u8 = 1 << 4;

/// A job, from its submission until its handle has the result.
///
/// It is ended by who takes its work out: the worker that runs it or somebody that cancels it. So it
/// ends once, whoever races.
pub(crate) struct Cell<W, T> {
    state: AtomicU8,
    body: UnsafeCell<Body<W, T>>,
    waiter: UnsafeCell<Option<Waker>>,
}

enum Body<W, T> {
    Work(W),
    /// Somebody does the work, or the handle has the result.
    Empty,
    Result(Result<T, JobError>),
}

// SAFETY: clause 6.
unsafe impl<W: Send, T: Send> Sync for Cell<W, T> {}

/// The right and the duty to end a job that was started. `P` is an `Arc` of the cell or a reference
/// to it.
pub(crate) struct Begun<P> {
    cell: P,
    is_counted: bool,
}

/// What a handle has of its job, whose work it does not know.
pub(crate) struct Receiver<T>(Arc<dyn Outcome<T>>);

trait Outcome<T>: Runnable {
    /// # Safety
    ///
    /// Called by the one [`Receiver`] only.
    unsafe fn poll(&self, waker: &Waker) -> Poll<Result<T, JobError>>;

    fn as_runnable(&self) -> &dyn Runnable;

    fn state(&self) -> u8;
}

impl<W, T> Cell<W, T>
where
    W: Send + 'static,
    T: Send + 'static,
    Self: Runnable,
{
    /// A job, and what its handle needs.
    pub(crate) fn with_receiver(work: W) -> (Arc<Self>, Receiver<T>) {
        let cell = Arc::new(Self {
            state: AtomicU8::new(0),
            body: UnsafeCell::new(Body::Work(work)),
            waiter: UnsafeCell::new(None),
        });
        let receiver = Receiver(Arc::clone(&cell) as _);
        (cell, receiver)
    }
}

impl<W, T> Cell<W, T> {
    /// Takes the work to do it. `None` if somebody else has.
    pub(crate) fn start<P>(this: P) -> Option<(W, Begun<P>)>
    where
        P: Deref<Target = Self>,
    {
        // ORDERING: Acquire, here and below: what was done before the job was handed back is seen
        // by who starts it.
        let before = this.state.fetch_or(STARTED, Ordering::Acquire);
        if before & STARTED != 0 {
            return None;
        }
        let is_counted = before & HANDED_BACK != 0;
        while is_counted && this.state.load(Ordering::Acquire) & COUNTED == 0 {
            // Who hands it back is about to count it, and was interrupted.
            yield_now();
        }
        // SAFETY: clause 2. The body is ours.
        let body = this
            .body
            .with_mut(|body| unsafe { mem::replace(&mut *body, Body::Empty) });
        let Body::Work(work) = body else {
            unreachable!("the work is there until somebody starts it");
        };
        let begun = Begun {
            cell: this,
            is_counted,
        };
        Some((work, begun))
    }

    /// The pool hands the job back: `count` is called before anybody can start it. Says whether it
    /// was still to run.
    pub(crate) fn hand_back(&self, count: impl FnOnce()) -> bool {
        let hand_back = |state| (state & STARTED == 0).then_some(state | HANDED_BACK);
        // ORDERING: Relaxed. It is `COUNTED` that says something.
        let updated = self
            .state
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, hand_back);
        if updated.is_err() {
            return false;
        }
        count();
        // ORDERING: Release. Who starts the job from now on finds it counted.
        self.state.fetch_or(COUNTED, Ordering::Release);
        true
    }

    /// Takes the result.
    ///
    /// # Safety
    ///
    /// Called by the one [`Receiver`] only, once it has found `ENDED` set.
    unsafe fn take_result(&self) -> Result<T, JobError> {
        // SAFETY: clause 3. The body is the handle's.
        let body = self
            .body
            .with_mut(|body| unsafe { mem::replace(&mut *body, Body::Empty) });
        match body {
            Body::Result(result) => result,
            _ => panic!("a JobHandle was polled after it had given its result"),
        }
    }
}

impl<P> Begun<P> {
    /// The job was handed back, and is counted as that, whatever becomes of it.
    pub(crate) const fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// Leaves the result, and wakes who waits for it.
    pub(crate) fn end<W, T>(self, result: Result<T, JobError>) -> P
    where
        P: Deref<Target = Cell<W, T>>,
    {
        let cell = &*self.cell;
        // SAFETY: clause 2. It is empty, so nothing is dropped here.
        cell.body
            .with_mut(|body| unsafe { *body = Body::Result(result) });
        // ORDERING: AcqRel. The handle sees the result, and we see the waker.
        let before = cell.state.fetch_or(ENDED, Ordering::AcqRel);
        if before & WAITER != 0 {
            cell.waiter.with(|waiter| {
                // SAFETY: clause 5. Who waits does not write it any more.
                if let Some(waker) = unsafe { &*waiter } {
                    contain(|| waker.wake_by_ref());
                }
            });
        }
        self.cell
    }
}

impl<W, T> Outcome<T> for Cell<W, T>
where
    W: Send,
    T: Send,
    Self: Runnable,
{
    unsafe fn poll(&self, waker: &Waker) -> Poll<Result<T, JobError>> {
        // ORDERING: Acquire, here and below. Who sees `ENDED` sees the result.
        let before = self.state.load(Ordering::Acquire);
        let mut has_ended = before & ENDED != 0;
        if !has_ended && before & WAITER != 0 {
            let is_known = self.waiter.with(|waiter| {
                // SAFETY: clauses 4 and 5. At most who ends the job reads it too.
                let known = unsafe { &*waiter };
                known.as_ref().is_some_and(|known| known.will_wake(waker))
            });
            if is_known {
                return Poll::Pending;
            }
            // ORDERING: Acquire, as above.
            let before = self.state.fetch_and(!WAITER, Ordering::Acquire);
            has_ended = before & ENDED != 0;
        }
        if !has_ended {
            let waker = Some(waker.clone());
            // SAFETY: clauses 4 and 5. It has not ended, and `WAITER` is not set.
            let old = self
                .waiter
                .with_mut(|waiter| unsafe { mem::replace(&mut *waiter, waker) });
            // ORDERING: AcqRel. Who ends the job sees the waker, and we see the result.
            let before = self.state.fetch_or(WAITER, Ordering::AcqRel);
            drop(old);
            has_ended = before & ENDED != 0;
        }
        if !has_ended {
            return Poll::Pending;
        }
        // SAFETY: the caller is the receiver, and it has ended.
        Poll::Ready(unsafe { self.take_result() })
    }

    fn as_runnable(&self) -> &dyn Runnable {
        self
    }

    fn state(&self) -> u8 {
        // ORDERING: Acquire. Who sees `ENDED` sees what the job has done.
        self.state.load(Ordering::Acquire)
    }
}

impl<T> Receiver<T> {
    /// The result, or leaves the waker to be woken when it is there.
    pub(crate) fn poll(&mut self, waker: &Waker) -> Poll<Result<T, JobError>> {
        // SAFETY: clause 4. This is it, and `&mut`.
        unsafe { self.0.poll(waker) }
    }

    pub(crate) fn as_runnable(&self) -> &dyn Runnable {
        self.0.as_runnable()
    }

    /// It has neither begun nor ended.
    pub(crate) fn is_queued(&self) -> bool {
        self.0.state() & STARTED == 0
    }

    /// It has ended.
    pub(crate) fn is_ended(&self) -> bool {
        self.0.state() & ENDED != 0
    }
}
