//! Where submissions put their jobs.
//!
//! There are two queues, so that who submits and who fetches rarely meet: the inbox, under a lock
//! of its own, and the outbox, under that of the [`State`](super::state::State). Workers fetch from
//! the outbox. When it is empty, the one that finds it so swaps the two, so jobs keep their order.

use std::sync::Arc;

use crate::backlog::Backlog;
use crate::clock::{Clock, Nanos};
use crate::job::Job;
use crate::queue::Key;
use crate::sync::{Apart, AtomicU64, Ordering};

/// While jobs arrive faster than they are fetched one in this many is timed, and stands for them.
const TIMED_EVERY: u32 = 32;

/// How many jobs were accepted. Written under the lock of the inbox, and also read without it, by
/// who looks whether one comes.
pub(super) type Accepted = Apart<AtomicU64>;

/// Jobs that wait.
pub(super) type Jobs = Backlog<Entry, Nanos>;

/// A job in the queue.
pub(crate) struct Entry {
    pub(super) job: Job,
    /// When it came: zero for a job that is not timed.
    pub(super) enqueued: Nanos,
    /// How many jobs this one stands for, if it is timed.
    pub(super) weight: u32,
}

pub(super) struct Inbox {
    pub(super) jobs: Jobs,
    /// How many jobs may come in without a look at the state, because nothing else would have to be
    /// done for them: nobody told, woken or refused. Who holds both locks counts it anew.
    pub(super) room: usize,
    accepted: Arc<Accepted>,
    /// Somebody wants to know how long each job has waited.
    times_each: bool,
}

impl Inbox {
    pub(super) fn new(accepted: Arc<Accepted>, times_each: bool) -> Self {
        Self {
            jobs: Jobs::new(0),
            room: 0,
            accepted,
            times_each,
        }
    }

    /// Takes a job that there is [room](Self::room) for.
    #[inline]
    pub(super) fn push(&mut self, job: Job, clock: &Clock) -> Key {
        self.room -= 1;
        let (enqueued, weight) = self.sample(clock);
        self.enter(Entry {
            job,
            enqueued,
            weight,
        })
    }

    /// Takes a job.
    #[inline]
    pub(super) fn enter(&mut self, entry: Entry) -> Key {
        self.accept();
        self.jobs.push(entry)
    }

    /// When the job came that comes now, and for how many it stands, if it is one of those that are
    /// timed.
    pub(super) fn sample(&self, clock: &Clock) -> (Nanos, u32) {
        if self.times_each {
            (clock.now(), 1)
        } else if self.accepted().is_multiple_of(TIMED_EVERY.into()) {
            (clock.now(), TIMED_EVERY)
        } else {
            (0, 0)
        }
    }

    pub(super) fn accepted(&self) -> u64 {
        // ORDERING: Relaxed, here and below. It guards nothing: who sees it looks under the locks.
        self.accepted.load(Ordering::Relaxed)
    }

    /// Counts a job.
    pub(super) fn accept(&mut self) {
        self.accepted.store(self.accepted() + 1, Ordering::Relaxed);
    }

    /// Counts a job no more: it goes back to who has submitted it.
    pub(super) fn retract(&mut self) {
        self.accepted.store(self.accepted() - 1, Ordering::Relaxed);
    }
}
