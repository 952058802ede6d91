//! Where submissions put their jobs.
//!
//! There are two queues, so that who submits and who fetches rarely meet: the inbox, under a lock
//! of its own, and the outbox, under that of the [`State`](super::state::State). Workers fetch from
//! the outbox. When it is empty, the one that finds it so swaps the two, so jobs keep their order.

use super::backlog::{Backlog, Entry};
use crate::clock::Clock;
use crate::job::Job;
use crate::queue::Key;

/// While jobs arrive faster than they are fetched one in this many is timed, and stands for them.
pub(super) const TIMED_EVERY: u32 = 32;

pub(super) struct Inbox {
    pub(super) jobs: Backlog,
    /// How many jobs may come in without a look at the state, because nothing else would have to be
    /// done for them: nobody told, woken or refused. Who holds both locks counts it anew.
    pub(super) room: usize,
    pub(super) accepted: u64,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self {
            jobs: Backlog::new(0),
            room: 0,
            accepted: 0,
        }
    }

    /// Takes a job that there is [room](Self::room) for.
    #[inline]
    pub(super) fn push(&mut self, job: Job, clock: &Clock) -> Key {
        self.room -= 1;
        let (enqueued, weight) = if self.is_to_be_timed() {
            (clock.now(), TIMED_EVERY)
        } else {
            (0, 0)
        };
        self.accepted += 1;
        self.jobs.push(Entry {
            job,
            enqueued,
            weight,
        })
    }

    pub(super) const fn is_to_be_timed(&self) -> bool {
        self.accepted.is_multiple_of(TIMED_EVERY as u64)
    }
}
