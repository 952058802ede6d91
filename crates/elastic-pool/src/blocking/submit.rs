//! The ways into a pool.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Pool;
use super::backlog::Job;
use super::desk::Desk;
use super::shared::Shared;
use super::state::{Effects, Refusal};
use crate::clock::{NEVER, Nanos};
use crate::job::{Call, Cell, JobHandle, contain};
use crate::queue::Key;
use crate::sync::Parker;
use crate::{OnFull, SubmitError, SubmitErrorKind};

impl Pool {
    /// Runs the job without a handle. What it returns is dropped, and a panic is counted.
    ///
    /// If the queue is full, it is the pool's policy that decides. With [`OnFull::Wait`] this
    /// blocks: in a task use [`submit`](Self::submit). A worker of this pool never waits for room
    /// in its own queue, which it may be the only one to make: it runs the job itself.
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
        let submission = Submission::new(&self.guard.shared, job, None);
        submission.enter(self.guard.on_full, None).map(drop)
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
    /// As for [`submit`](Self::submit), and with [`SubmitErrorKind::TimedOut`].
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

impl<F, T> JobBuilder<'_, F>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    /// Like [`Pool::try_submit`].
    ///
    /// # Errors
    ///
    /// As for [`Pool::try_submit`], and [`SubmitErrorKind::DeadlinePassed`].
    pub fn try_submit(self) -> Result<JobHandle<T>, SubmitError<F>> {
        let shared = &self.pool.guard.shared;
        let submission = Submission::new(shared, self.job, self.deadline);
        let answer = submission.offer(self.pool.guard.on_full);
        let key = submission.finish(answer)?;
        Ok(submission.into_handle(key))
    }

    /// Like [`Pool::submit`].
    ///
    /// # Errors
    ///
    /// As for [`Pool::submit`], and [`SubmitErrorKind::DeadlinePassed`].
    ///
    /// # Cancel safety
    ///
    /// If this future is dropped before it is ready, the job was not queued and is dropped.
    pub async fn submit(self) -> Result<JobHandle<T>, SubmitError<F>> {
        let guard = &self.pool.guard;
        let submission = Submission::new(&guard.shared, self.job, self.deadline);
        let mut answer = submission.offer(guard.on_full);
        if is_to_wait(&answer, guard.on_full) {
            let mut place = Place::new(&guard.shared);
            answer = poll_fn(|cx| submission.poll(&mut place, cx)).await;
        }
        let key = submission.finish(answer)?;
        Ok(submission.into_handle(key))
    }

    /// Like [`Pool::submit_blocking`].
    ///
    /// # Errors
    ///
    /// As for [`Pool::submit_blocking`], and [`SubmitErrorKind::DeadlinePassed`].
    pub fn submit_blocking(
        self,
        timeout: Option<Duration>,
    ) -> Result<JobHandle<T>, SubmitError<F>> {
        let submission = Submission::new(&self.pool.guard.shared, self.job, self.deadline);
        let key = submission.enter(self.pool.guard.on_full, timeout)?;
        Ok(submission.into_handle(key))
    }
}

/// A job on its way into the queue.
struct Submission<'a, F, T> {
    shared: &'a Arc<Shared>,
    cell: Arc<Cell<Call<F>, T>>,
    deadline: Nanos,
}

/// Its place, or `None` if the caller has run it.
type Answer = Result<Option<Key>, Failure>;

enum Failure {
    Kind(SubmitErrorKind),
    NoThread(io::Error),
}

impl<'a, F, T> Submission<'a, F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    fn new(shared: &'a Arc<Shared>, job: F, deadline: Option<Instant>) -> Self {
        Self {
            shared,
            cell: Arc::new(Cell::new(Call(job))),
            deadline: deadline.map_or(NEVER, |deadline| shared.clock.at(deadline)),
        }
    }

    /// Tries, and blocks if that is the policy.
    fn enter(
        &self,
        on_full: OnFull,
        timeout: Option<Duration>,
    ) -> Result<Option<Key>, SubmitError<F>> {
        let mut answer = self.offer(on_full);
        if is_to_wait(&answer, on_full) {
            answer = self.wait(timeout.and_then(|it| Instant::now().checked_add(it)));
        }
        self.finish(answer)
    }

    /// Tries once, and does as the policy says.
    fn offer(&self, on_full: OnFull) -> Answer {
        let mut job: Job = Arc::clone(&self.cell) as Job;
        if self.deadline == NEVER {
            job = match self.shared.push(job) {
                Ok(key) => return Ok(Some(key)),
                Err(job) => job,
            };
        }
        let answer = self.push(|desk| match on_full {
            OnFull::DiscardOldest => desk.push_discarding(job, self.deadline),
            _ => desk.push(job, self.deadline),
        });
        match answer {
            Err(Failure::Kind(SubmitErrorKind::Full)) if on_full == OnFull::CallerRuns => {
                Ok(self.run_here())
            }
            answer => answer,
        }
    }

    fn run_here(&self) -> Option<Key> {
        self.shared.inbox.lock().accepted += 1;
        crate::job::Runnable::run(&*self.cell, &self.shared.elsewhere);
        None
    }

    fn push(&self, push: impl FnOnce(&mut Desk<'_>) -> Result<Key, Refusal>) -> Answer {
        let mut effects = Effects::default();
        let pushed = push(&mut self.shared.desk(&mut effects));
        let started = self.shared.apply(effects);
        match (pushed, started) {
            (Ok(key), Ok(())) => Ok(Some(key)),
            (Ok(key), Err(error)) => self.retract(key, error),
            (Err(refusal), _) => Err(Failure::Kind(match refusal {
                Refusal::Full => SubmitErrorKind::Full,
                Refusal::Closed => SubmitErrorKind::Closed,
                Refusal::TooLate => SubmitErrorKind::DeadlinePassed,
            })),
        }
    }

    /// There is no worker and there will be none: the job goes back, unless one has come since.
    fn retract(&self, key: Key, error: io::Error) -> Answer {
        let is_ours = self.shared.with(|desk| {
            let is_ours = desk.workers == 0 && desk.remove(key);
            desk.inbox.accepted -= u64::from(is_ours);
            is_ours
        });
        self.shared.run_stranded();
        if is_ours {
            Err(Failure::NoThread(error))
        } else {
            Ok(Some(key))
        }
    }

    fn poll(&self, place: &mut Place<'_>, cx: &Context<'_>) -> Poll<Answer> {
        if super::worker::is_worker_of(self.shared) {
            return Poll::Ready(Ok(self.run_here()));
        }
        let mut is_waiting = false;
        let job: Job = Arc::clone(&self.cell) as Job;
        let answer = self.push(|desk| {
            let pushed = place.take(desk, |desk| desk.push(job, self.deadline));
            if pushed == Err(Refusal::Full) {
                place.wait(desk, cx.waker());
                desk.set_alarm();
                is_waiting = true;
            } else {
                desk.pass_on_room();
            }
            pushed
        });
        if is_waiting {
            Poll::Pending
        } else {
            Poll::Ready(answer)
        }
    }

    fn wait(&self, end: Option<Instant>) -> Answer {
        let parker = Arc::new(Parker::current());
        let waker = Waker::from(Arc::clone(&parker));
        let cx = Context::from_waker(&waker);
        let mut place = Place::new(self.shared);
        self.shared.look_for_room();
        loop {
            if let Poll::Ready(answer) = self.poll(&mut place, &cx) {
                return answer;
            }
            if !parker.park(end) {
                return Err(Failure::Kind(SubmitErrorKind::TimedOut));
            }
        }
    }

    fn into_handle(self, key: Option<Key>) -> JobHandle<T> {
        JobHandle {
            outcome: self.cell,
            host: Arc::clone(self.shared) as _,
            key,
        }
    }

    /// Its place, or the job again.
    fn finish(&self, answer: Answer) -> Result<Option<Key>, SubmitError<F>> {
        let failure = match answer {
            Ok(key) => return Ok(key),
            Err(failure) => failure,
        };
        let (Call(job), _) = self
            .cell
            .start()
            .expect("a job that is refused was never queued");
        Err(match failure {
            Failure::Kind(kind) => SubmitError::new(kind, job),
            Failure::NoThread(source) => SubmitError::no_thread(job, source),
        })
    }
}

/// Whether to wait for room.
const fn is_to_wait(answer: &Answer, on_full: OnFull) -> bool {
    matches!(
        (answer, on_full),
        (Err(Failure::Kind(SubmitErrorKind::Full)), OnFull::Wait)
    )
}

/// A place in the line of those that wait for room. Who leaves it after being told of some tells
/// the next one, so that none is lost.
struct Place<'a> {
    shared: &'a Arc<Shared>,
    key: Option<Key>,
}

impl<'a> Place<'a> {
    const fn new(shared: &'a Arc<Shared>) -> Self {
        Self { shared, key: None }
    }

    /// Leaves the line to try. Who was told and is too late goes back to its head.
    fn take<R>(
        &mut self,
        desk: &mut Desk<'_>,
        attempt: impl FnOnce(&mut Desk<'_>) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        let Some(key) = self.key else {
            return attempt(desk);
        };
        if desk.waiters.contains(key) {
            // Woken for another reason, as by a `select!`: it keeps its place, and its turn has
            // not come.
            let result = attempt(desk);
            if !matches!(result, Err(Refusal::Full)) {
                drop(desk.waiters.remove(key));
                self.key = None;
            }
            return result;
        }
        desk.was_notified();
        let result = attempt(desk);
        if result.is_ok() {
            self.key = None;
        }
        result
    }

    /// Stands in line: at its head if it was told of room and somebody was faster.
    fn wait(&mut self, desk: &mut Desk<'_>, waker: &Waker) {
        let Some(key) = self.key else {
            self.key = Some(desk.waiters.push_back(waker.clone()));
            return;
        };
        match desk.waiters.get_mut(key) {
            Some(known) => known.clone_from(waker),
            None => self.key = Some(desk.waiters.push_front(waker.clone())),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else {
            return;
        };
        let waker = self.shared.with(|desk| {
            let waker = desk.waiters.remove(key);
            if waker.is_none() {
                desk.was_notified();
                desk.pass_on_room();
            }
            waker
        });
        contain(|| drop(waker));
    }
}
