//! The ways into a pool.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::TryAcquireError;
use tokio::time::Instant;

use super::Pool;
use super::drive::{Drive, Ticket};
use super::shared::Shared;
use crate::job::JobHandle;
use crate::raw::Cell;
use crate::{Observer, SubmitError, SubmitErrorKind};

impl Pool {
    /// Runs the job without a handle, and waits for room if the queue is full. What it returns is
    /// dropped, and a panic is counted.
    ///
    /// # Errors
    ///
    /// A [`SubmitError`] with the job: the pool is closed.
    ///
    /// # Cancel safety
    ///
    /// If this future is dropped before it is ready, the job was not queued and is dropped.
    pub async fn execute<F>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let shared = &self.guard.shared;
        let Ok(permit) = shared.room.acquire().await else {
            return Err(refuse(shared, SubmitErrorKind::Closed, job));
        };
        permit.forget();
        match shared.push(Box::new(Drive::new(job, None)), None) {
            Ok(_) => {
                shared.watch.tell(Observer::job_queued);
                Ok(())
            }
            Err(drive) => Err(refuse(shared, SubmitErrorKind::Closed, drive.into_future())),
        }
    }

    /// Submits the job if that needs no waiting.
    ///
    /// # Errors
    ///
    /// A [`SubmitError`] with the job: the queue is full, or the pool is closed.
    pub fn try_submit<F>(&self, job: F) -> Result<JobHandle<F::Output>, SubmitError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.job(job).try_submit()
    }

    /// Submits the job, and waits for room if the queue is full.
    ///
    /// # Errors
    ///
    /// A [`SubmitError`] with the job: the pool is closed.
    ///
    /// # Cancel safety
    ///
    /// If this future is dropped before it is ready, the job was not queued and is dropped.
    pub async fn submit<F>(&self, job: F) -> Result<JobHandle<F::Output>, SubmitError<F>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.job(job).submit().await
    }

    /// A job with settings of its own: `pool.job(future).timeout(limit).submit().await`.
    pub const fn job<F>(&self, job: F) -> JobBuilder<'_, F> {
        JobBuilder {
            pool: self,
            job,
            deadline: None,
        }
    }
}

/// A job that is not submitted yet, from [`Pool::job`].
#[derive(Debug)]
#[must_use = "a job does nothing until it is submitted"]
pub struct JobBuilder<'a, F> {
    pool: &'a Pool,
    job: F,
    deadline: Option<Instant>,
}

impl<F> JobBuilder<'_, F> {
    /// Cancels the job with [`CancelReason::DeadlineExceeded`](crate::CancelReason) if it has not
    /// begun by then. What runs goes on: put a `tokio::time::timeout` inside it for that.
    pub const fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// A [`deadline`](Self::deadline) so far from now. One too far to be told is none.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.deadline = Instant::now().checked_add(timeout);
        self
    }
}

impl<F> JobBuilder<'_, F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    /// Like [`Pool::try_submit`].
    ///
    /// # Errors
    ///
    /// As for [`Pool::try_submit`], and [`DeadlinePassed`](crate::SubmitErrorKind::DeadlinePassed).
    pub fn try_submit(self) -> Result<JobHandle<F::Output>, SubmitError<F>> {
        let shared = &self.pool.guard.shared;
        match shared.room.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(TryAcquireError::NoPermits) => {
                return Err(refuse(shared, SubmitErrorKind::Full, self.job));
            }
            Err(TryAcquireError::Closed) => {
                return Err(refuse(shared, SubmitErrorKind::Closed, self.job));
            }
        }
        self.enter()
    }

    /// Like [`Pool::submit`].
    ///
    /// # Errors
    ///
    /// As for [`Pool::submit`], and [`DeadlinePassed`](crate::SubmitErrorKind::DeadlinePassed).
    ///
    /// # Cancel safety
    ///
    /// If this future is dropped before it is ready, the job was not queued and is dropped.
    pub async fn submit(self) -> Result<JobHandle<F::Output>, SubmitError<F>> {
        let shared = &self.pool.guard.shared;
        match shared.room.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_closed) => return Err(refuse(shared, SubmitErrorKind::Closed, self.job)),
        }
        self.enter()
    }

    /// Queues the job, for which there is a permit.
    fn enter(self) -> Result<JobHandle<F::Output>, SubmitError<F>> {
        let shared = &self.pool.guard.shared;
        if self.deadline.is_some_and(|it| it <= Instant::now()) {
            shared.leave(shared.state.lock(), 1);
            return Err(refuse(shared, SubmitErrorKind::DeadlinePassed, self.job));
        }
        let (cell, outcome) = Cell::with_receiver(Ticket);
        let drive = Box::new(Drive::new(self.job, Some(cell)));
        match shared.push(drive, self.deadline) {
            Ok(key) => {
                shared.watch.tell(Observer::job_queued);
                Ok(JobHandle {
                    outcome,
                    host: Arc::clone(shared) as _,
                    key,
                })
            }
            Err(drive) => Err(refuse(shared, SubmitErrorKind::Closed, drive.into_future())),
        }
    }
}

fn refuse<F>(shared: &Shared, why: SubmitErrorKind, job: F) -> SubmitError<F> {
    shared.watch.tell(|observer| observer.job_refused(why));
    SubmitError::new(why, None, job)
}
