//! What waits, in the order of its arrival, and the order of its deadlines.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::queue::{Key, Queue};

/// Entries, and the moments at which some of them are too late.
pub(crate) struct Backlog<T, M> {
    entries: Queue<T>,
    /// May name entries that are gone: no more of them than there are others.
    deadlines: BinaryHeap<Reverse<(M, Key)>>,
}

/// Below this many, names of entries that are gone are not worth a search.
const STALE_MIN: usize = 64;

impl<T, M: Ord + Copy> Backlog<T, M> {
    /// The first or the second, neither of which knows the other one's keys.
    pub(crate) const fn new(number: u64) -> Self {
        Self {
            entries: Queue::new(number),
            deadlines: BinaryHeap::new(),
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What has waited for the longest.
    pub(crate) fn front(&self) -> Option<&T> {
        self.entries.front()
    }

    #[inline]
    pub(crate) fn push(&mut self, entry: T) -> Key {
        self.entries.push_back(entry)
    }

    /// Gives an entry a deadline.
    pub(crate) fn expire_at(&mut self, deadline: M, key: Key) {
        if self.deadlines.len() >= STALE_MIN.max(2 * self.entries.len()) {
            let entries = &self.entries;
            self.deadlines
                .retain(|Reverse((_, key))| entries.contains(*key));
        }
        self.deadlines.push(Reverse((deadline, key)));
    }

    pub(crate) fn pop(&mut self) -> Option<T> {
        self.entries.pop_front()
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.entries.remove(key)
    }

    /// Whether any entry may have a deadline, so that it is worth to read the clock.
    pub(crate) fn has_deadlines(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// The earliest deadline of what waits.
    pub(crate) fn earliest(&mut self) -> Option<M> {
        while let Some(Reverse((deadline, key))) = self.deadlines.peek() {
            if self.entries.contains(*key) {
                return Some(*deadline);
            }
            self.deadlines.pop();
        }
        None
    }

    /// Takes an entry out whose deadline has passed.
    pub(crate) fn expired(&mut self, now: M) -> Option<T> {
        if self.earliest()? > now {
            return None;
        }
        let Reverse((_, key)) = self.deadlines.pop()?;
        self.entries.remove(key)
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_long_before_its_deadline_leaves_nothing_behind() {
        let mut backlog = Backlog::new(0);
        for number in 0..10_000 {
            let key = backlog.push(number);
            backlog.expire_at(1_000_000, key);
            assert_eq!(backlog.pop(), Some(number));
            assert!(backlog.deadlines.len() <= STALE_MIN);
        }
        assert_eq!(backlog.earliest(), None);
    }
}
