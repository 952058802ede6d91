//! A job on its way into the queue.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::control;
use super::desk::Desk;
use super::place::Place;
use super::shared::Shared;
use super::state::{Effects, Refusal};
use super::worker;
use crate::clock::{NEVER, Nanos};
use crate::job::Job;
use crate::queue::Key;
use crate::sync::Parker;
use crate::{OnFull, SubmitError, SubmitErrorKind};

pub(super) struct Submission<'a> {
    pub(super) shared: &'a Arc<Shared>,
    /// `None` once it was taken.
    job: Option<Job>,
    deadline: Nanos,
}

/// Its place, or `None` if the caller has run it.
pub(super) type Answer = Result<Option<Key>, Failure>;

pub(super) struct Failure {
    kind: SubmitErrorKind,
    source: Option<io::Error>,
}

impl<'a> Submission<'a> {
    #[inline]
    pub(super) fn new(shared: &'a Arc<Shared>, job: Job, deadline: Option<Instant>) -> Self {
        Self {
            shared,
            job: Some(job),
            deadline: deadline.map_or(NEVER, |deadline| shared.clock.at(deadline)),
        }
    }

    /// The closure of a job that was refused.
    pub(super) fn into_closure<F, T>(self) -> F
    where
        F: Send + 'static,
        T: Send + 'static,
    {
        let closure = self.job.and_then(Job::into_closure::<F, T>);
        closure.expect("a job that is refused was never queued")
    }

    /// Tries once, and does as the policy says.
    pub(super) fn offer(&mut self, on_full: OnFull) -> Answer {
        if self.deadline == NEVER
            && let Some(key) = self.shared.push(&mut self.job)
        {
            return Ok(Some(key));
        }
        let deadline = self.deadline;
        let answer = self.push(|desk| match desk.admit(deadline) {
            Err(Refusal::Full) if on_full == OnFull::DiscardOldest => {
                desk.discard_oldest();
                Ok(())
            }
            admitted => admitted,
        });
        if on_full == OnFull::CallerRuns && answer.as_ref().is_err_and(Failure::is_full) {
            return Ok(self.run_here());
        }
        answer
    }

    /// Tries, and waits if that is the policy.
    pub(super) async fn enter(&mut self, on_full: OnFull) -> Answer {
        let answer = self.offer(on_full);
        if !is_to_wait(&answer, on_full) {
            return answer;
        }
        let mut place = Place::new(self.shared);
        poll_fn(|cx| self.poll(&mut place, cx)).await
    }

    /// Tries, and blocks if that is the policy.
    pub(super) fn enter_blocking(&mut self, on_full: OnFull, timeout: Option<Duration>) -> Answer {
        let answer = self.offer(on_full);
        if !is_to_wait(&answer, on_full) {
            return answer;
        }
        self.wait(timeout.and_then(|it| Instant::now().checked_add(it)))
    }

    fn wait(&mut self, end: Option<Instant>) -> Answer {
        let parker = Arc::new(Parker::current());
        let waker = Waker::from(Arc::clone(&parker));
        let cx = Context::from_waker(&waker);
        let mut place = Place::new(self.shared);
        if !worker::is_worker_of(self.shared) {
            self.shared.look_for_room();
        }
        loop {
            if let Poll::Ready(answer) = self.poll(&mut place, &cx) {
                return answer;
            }
            if !parker.park(end) {
                return Err(SubmitErrorKind::TimedOut.into());
            }
        }
    }

    fn poll(&mut self, place: &mut Place<'_>, cx: &Context<'_>) -> Poll<Answer> {
        if worker::is_worker_of(self.shared) {
            return Poll::Ready(Ok(self.run_here()));
        }
        let deadline = self.deadline;
        let mut is_waiting = false;
        let answer = self.push(|desk| {
            let admitted = place.take(desk, |desk| desk.admit(deadline));
            if admitted == Err(Refusal::Full) {
                place.wait(desk, cx.waker());
                desk.set_alarm();
                is_waiting = true;
            }
            admitted
        });
        if is_waiting {
            Poll::Pending
        } else {
            Poll::Ready(answer)
        }
    }

    fn run_here(&mut self) -> Option<Key> {
        self.shared.inbox.lock().accept();
        if let Some(job) = self.job.take() {
            job.run(&self.shared.log());
        }
        None
    }

    fn push(&mut self, admit: impl FnOnce(&mut Desk<'_>) -> Result<(), Refusal>) -> Answer {
        let mut effects = Effects::default();
        let mut desk = self.shared.desk(&mut effects);
        let pushed = admit(&mut desk).map(|()| {
            let job = self.job.take();
            job.map(|job| desk.push(job, self.deadline))
        });
        desk.pass_on_room();
        drop(desk);
        let started = self.shared.apply(effects);
        control::consult(self.shared);
        match (pushed, started) {
            (Ok(Some(key)), Err(error)) => self.retract(key, error),
            (Ok(key), _) => Ok(key),
            (Err(Refusal::Full), _) => Err(SubmitErrorKind::Full.into()),
            (Err(Refusal::Closed), _) => Err(SubmitErrorKind::Closed.into()),
            (Err(Refusal::TooLate), _) => Err(SubmitErrorKind::DeadlinePassed.into()),
        }
    }

    /// There is no worker and there will be none: the job goes back, unless one has come since.
    fn retract(&mut self, key: Key, error: io::Error) -> Answer {
        let removed = self.shared.with(|desk| {
            let removed = (desk.workers == 0).then(|| desk.remove(key))??;
            desk.inbox.retract();
            Some(removed)
        });
        self.shared.run_stranded();
        let Some(entry) = removed else {
            return Ok(Some(key));
        };
        self.job = Some(entry.job);
        Err(Failure {
            kind: SubmitErrorKind::NoThread,
            source: Some(error),
        })
    }
}

impl Failure {
    pub(super) fn give_back<F>(self, job: F) -> SubmitError<F> {
        SubmitError::new(self.kind, self.source, job)
    }

    pub(super) const fn kind(&self) -> SubmitErrorKind {
        self.kind
    }

    fn is_full(&self) -> bool {
        self.kind == SubmitErrorKind::Full
    }
}

impl From<SubmitErrorKind> for Failure {
    fn from(kind: SubmitErrorKind) -> Self {
        Self { kind, source: None }
    }
}

/// Whether to wait for room.
fn is_to_wait(answer: &Answer, on_full: OnFull) -> bool {
    on_full == OnFull::Wait && answer.as_ref().is_err_and(Failure::is_full)
}
