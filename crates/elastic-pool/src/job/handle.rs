//! The handle to a job.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::{JobError, Runnable};
use crate::queue::Key;
use crate::raw::Receiver;
use crate::sync::{Parker, spin_until};

/// A job that was accepted: await it, join it, cancel it, or drop it to let it run on unseen.
///
/// It ends exactly once, with the job's result or with a [`JobError`].
///
/// # Cancel safety
///
/// Polling and dropping a handle takes nothing from its job. After `(&mut handle).await` was
/// dropped, as by a timeout around it, the handle can be awaited again.
///
/// # Examples
///
/// ```
/// use elastic_pool::{JobError, blocking};
///
/// let pool = blocking::Pool::builder().workers(1..=4).build()?;
/// let handle = pool.try_submit(|| 6 * 7)?;
/// assert_eq!(handle.join()?, 42);
///
/// let handle = pool.try_submit(|| panic!("out of cheese"))?;
/// let Err(JobError::Panicked(panic)) = handle.join() else { panic!("it did not panic") };
/// assert_eq!(panic.message(), Some("out of cheese"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a handle that is dropped lets its job run on: use `execute` if that is meant"]
pub struct JobHandle<T> {
    pub(crate) outcome: Receiver<T>,
    pub(crate) host: Arc<dyn Host>,
    /// The job's place in the queue. `None` if it never was in one.
    pub(crate) key: Option<Key>,
}

/// What a handle asks of the pool.
pub(crate) trait Host: Send + Sync {
    /// Cancels a job, whose place in the queue is free then. Says whether it was still to run.
    fn cancel(self: Arc<Self>, key: Option<Key>, job: &dyn Runnable) -> bool;

    /// Whether the calling thread is a worker of this pool.
    fn is_worker(&self) -> bool;

    /// Runs a queued job in the calling worker, which would otherwise wait for it.
    fn run_here(self: Arc<Self>, key: Option<Key>, job: &dyn Runnable);
}

impl<T> JobHandle<T> {
    /// Blocks until the job ends.
    ///
    /// In a worker of the same pool a job that is still queued is run at once, so that jobs that
    /// wait for jobs cannot deadlock. In a task, await the handle instead.
    ///
    /// # Errors
    ///
    /// [`JobError::Panicked`] with the payload, or [`JobError::Cancelled`] with the reason.
    pub fn join(mut self) -> Result<T, JobError> {
        match self.wait(None) {
            Some(result) => result,
            None => unreachable!("without a limit, only a result ends the wait"),
        }
    }

    /// Blocks until the job ends, or until `deadline`: then the handle comes back.
    ///
    /// # Errors
    ///
    /// The handle, if the job has not ended in time. The job goes on.
    pub fn join_deadline(mut self, deadline: Instant) -> Result<Result<T, JobError>, Self> {
        self.wait(Some(deadline)).ok_or(self)
    }

    /// Cancels the job, if it has not begun. Says whether that was so; then it ends with
    /// [`CancelReason::Requested`](crate::CancelReason::Requested), and its place in the queue is free.
    #[allow(clippy::must_use_candidate, reason = "it is called for what it does")]
    pub fn cancel(&self) -> bool {
        Arc::clone(&self.host).cancel(self.key, self.outcome.as_runnable())
    }

    /// Whether the job has ended, so that neither `join` nor `await` would wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.outcome.is_ended()
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Option<Result<T, JobError>> {
        if self.host.is_worker() || spin_until(|| self.outcome.is_ended()) {
            // No other thread needs to wake us.
            if let Poll::Ready(result) = self.poll_with(Waker::noop()) {
                return Some(result);
            }
        }
        let parker = Arc::new(Parker::current());
        let waker = Waker::from(Arc::clone(&parker));
        loop {
            if let Poll::Ready(result) = self.poll_with(&waker) {
                return Some(result);
            }
            if !parker.park(deadline) {
                return None;
            }
        }
    }

    fn poll_with(&mut self, waker: &Waker) -> Poll<Result<T, JobError>> {
        if self.host.is_worker() && self.outcome.is_queued() {
            Arc::clone(&self.host).run_here(self.key, self.outcome.as_runnable());
        }
        self.outcome.poll(waker)
    }
}

impl<T> Future for JobHandle<T> {
    type Output = Result<T, JobError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_with(cx.waker())
    }
}

impl<T> fmt::Debug for JobHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle")
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
