//! The jobs that wait, in the order of their arrival, and the order of their deadlines.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::clock::{NEVER, Nanos};
use crate::job::Job;
use crate::queue::{Key, Queue};

/// A job in the queue.
pub(crate) struct Entry {
    pub(super) job: Job,
    /// When it came: zero for a job that is not timed.
    pub(super) enqueued: Nanos,
    /// How many jobs this one stands for, if it is timed.
    pub(super) weight: u32,
}

pub(super) struct Backlog {
    entries: Queue<Entry>,
    /// May name jobs that are gone: no more of them than there are others.
    deadlines: BinaryHeap<Reverse<(Nanos, Key)>>,
}

/// Below this many, names of jobs that are gone are not worth a search.
const STALE_MIN: usize = 64;

impl Backlog {
    /// The first or the second, neither of which knows the other one's keys.
    pub(super) const fn new(number: u64) -> Self {
        Self {
            entries: Queue::new(number),
            deadlines: BinaryHeap::new(),
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// When the oldest job came, which is zero if it is not timed. `None` if there is none.
    pub(super) fn oldest(&self) -> Option<Nanos> {
        self.entries.front().map(|entry| entry.enqueued)
    }

    #[inline]
    pub(super) fn push(&mut self, entry: Entry) -> Key {
        self.entries.push_back(entry)
    }

    /// Gives a job a deadline.
    pub(super) fn expire_at(&mut self, deadline: Nanos, key: Key) {
        if self.deadlines.len() >= STALE_MIN.max(2 * self.entries.len()) {
            let entries = &self.entries;
            self.deadlines
                .retain(|Reverse((_, key))| entries.contains(*key));
        }
        self.deadlines.push(Reverse((deadline, key)));
    }

    pub(super) fn pop(&mut self) -> Option<Entry> {
        self.entries.pop_front()
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Entry> {
        self.entries.remove(key)
    }

    /// Whether any job may have a deadline, so that it is worth to read the clock.
    pub(super) fn has_deadlines(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// The earliest deadline of a job that waits.
    pub(super) fn earliest(&mut self) -> Nanos {
        while let Some(Reverse((deadline, key))) = self.deadlines.peek() {
            if self.entries.contains(*key) {
                return *deadline;
            }
            self.deadlines.pop();
        }
        NEVER
    }

    /// Takes a job out whose deadline has passed.
    pub(super) fn expired(&mut self, now: Nanos) -> Option<Job> {
        if self.earliest() > now {
            return None;
        }
        let Reverse((_, key)) = self.deadlines.pop()?;
        self.entries.remove(key).map(|entry| entry.job)
    }
}
