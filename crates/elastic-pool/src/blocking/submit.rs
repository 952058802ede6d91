//! The ways into a pool.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Pool;
use super::shared::Shared;
use super::submission::{Answer, Submission};
use crate::SubmitError;
use crate::job::{Call, Job, JobHandle};
use crate::raw::{Cell, Receiver};

impl Pool {
    /// Runs the job without a handle. What it returns is dropped, and a panic is counted.
    ///
    /// If the queue is full, it is the pool's policy that decides. With
    /// [`OnFull::Wait`](crate::OnFull::Wait) this blocks: in a task use [`submit`](Self::submit). A
    /// worker of this pool never waits for room in its own queue, which it may be the only one to
    /// make: it runs the job itself.
    ///
    /// # Errors
    ///
    /// A [`SubmitError`] with the job: the pool is closed, or full and the policy is to reject, or
    /// has no thread.
    pub fn execute<F, T>(&self, job: F) -> Result<(), SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let mut submission = Submission::new(&self.guard.shared, Job::owned(job), None);
        let answer = submission.enter_blocking(self.guard.on_full, None);
        tell(&self.guard.shared, &answer);
        match answer {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.give_back(submission.into_closure::<F, T>())),
        }
    }

    /// Submits the job if that needs no waiting.
    ///
    /// # Errors
    ///
    /// A [`SubmitError`] with the job: the queue is full, the pool is closed, or has no thread.
    pub fn try_submit<F, T>(&self, job: F) -> Result<JobHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.job(job).try_submit()
    }

    /// Submits the job, and waits for room if the queue is full.
    ///
    /// # Errors
    ///
    /// A [`SubmitError`] with the job: the pool is closed, or full and the policy is to reject, or
    /// has no thread.
    ///
    /// # Cancel safety
    ///
    /// If this future is dropped before it is ready, the job was not queued and is dropped.
    pub async fn submit<F, T>(&self, job: F) -> Result<JobHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.job(job).submit().await
    }

    /// Submits the job, and blocks if the queue is full: for as long as it takes, or for `timeout`.
    ///
    /// # Errors
    ///
    /// As for [`submit`](Self::submit), and with [`TimedOut`](crate::SubmitErrorKind::TimedOut).
    pub fn submit_blocking<F, T>(
        &self,
        job: F,
        timeout: Option<Duration>,
    ) -> Result<JobHandle<T>, SubmitError<F>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.job(job).submit_blocking(timeout)
    }

    /// A job with settings of its own: `pool.job(f).timeout(limit).submit().await`.
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
    /// begun by then. Its handle is told at that moment, even if all workers are busy.
    ///
    /// It does not end the wait for room in front of a full queue: a `tokio::time::timeout` around
    /// `submit` does, or the `timeout` of `submit_blocking`.
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

impl<'a, F, T> JobBuilder<'a, F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Like [`Pool::try_submit`].
    ///
    /// # Errors
    ///
    /// As for [`Pool::try_submit`], and [`DeadlinePassed`](crate::SubmitErrorKind::DeadlinePassed).
    pub fn try_submit(self) -> Result<JobHandle<T>, SubmitError<F>> {
        let guard = &self.pool.guard;
        let (outcome, mut submission) = self.begin();
        let answer = submission.offer(guard.on_full);
        tracked(submission, outcome, answer)
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
    pub async fn submit(self) -> Result<JobHandle<T>, SubmitError<F>> {
        let guard = &self.pool.guard;
        let (outcome, mut submission) = self.begin();
        let answer = submission.enter(guard.on_full).await;
        tracked(submission, outcome, answer)
    }

    /// Like [`Pool::submit_blocking`].
    ///
    /// # Errors
    ///
    /// As for [`Pool::submit_blocking`], and [`DeadlinePassed`](crate::SubmitErrorKind::DeadlinePassed).
    pub fn submit_blocking(
        self,
        timeout: Option<Duration>,
    ) -> Result<JobHandle<T>, SubmitError<F>> {
        let guard = &self.pool.guard;
        let (outcome, mut submission) = self.begin();
        let answer = submission.enter_blocking(guard.on_full, timeout);
        tracked(submission, outcome, answer)
    }

    fn begin(self) -> (Receiver<T>, Submission<'a>) {
        let (cell, outcome) = Cell::<_, T>::with_receiver(Call::new(self.job));
        let shared = &self.pool.guard.shared;
        (
            outcome,
            Submission::new(shared, Job::Shared(cell), self.deadline),
        )
    }
}

/// The handle to the job, or the job again.
fn tracked<F, T>(
    submission: Submission<'_>,
    outcome: Receiver<T>,
    answer: Answer,
) -> Result<JobHandle<T>, SubmitError<F>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    tell(submission.shared, &answer);
    match answer {
        Ok(key) => Ok(JobHandle {
            outcome,
            host: Arc::clone(submission.shared) as _,
            key,
        }),
        Err(failure) => Err(failure.give_back(submission.into_closure::<F, T>())),
    }
}

#[inline]
fn tell(shared: &Shared, answer: &Answer) {
    shared.watch.tell(|observer| match answer {
        Ok(_) => observer.job_queued(),
        Err(failure) => observer.job_refused(failure.kind()),
    });
}
