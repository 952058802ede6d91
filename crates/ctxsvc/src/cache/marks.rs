//! What was heard about which keys, as a number for each of many slots.
//!
//! Who reads a value takes the mark of its key before. The value may be given as long as the mark
//! is current. So it does not matter when a message about the key comes: before the value is
//! remembered or after. Keys that share a slot are read again once too often.

use std::hash::{BuildHasher, RandomState};

use super::remote::Mark;
use crate::sync::{AtomicU32, Ordering};

/// A quarter of a MiB. Fewer under loom, which looks at each.
const SLOTS: usize = if cfg!(all(test, model)) { 2 } else { 1 << 16 };

pub(super) struct Marks {
    slots: Box<[AtomicU32]>,
    hasher: RandomState,
}

impl Marks {
    pub(super) fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| AtomicU32::new(0)).collect(),
            hasher: RandomState::new(),
        }
    }

    #[cfg(all(test, model))]
    pub(super) fn mark(&self, name: &[u8]) -> Mark {
        self.mark_of(self.slot(name))
    }

    /// The mark of a slot as it is now.
    pub(super) fn mark_of(&self, slot: u32) -> Mark {
        // ORDERING: Acquire, with the Release of `changed`: who sees that a key has changed reads
        // it as it is after that.
        let stamp = self.slots[slot as usize].load(Ordering::Acquire);
        Mark { slot, stamp }
    }

    pub(super) fn is_current(&self, mark: Mark) -> bool {
        // ORDERING: as in `mark_of`.
        self.slots[mark.slot as usize].load(Ordering::Acquire) == mark.stamp
    }

    pub(super) fn changed(&self, name: &[u8]) {
        // ORDERING: Release, see `mark_of`.
        self.slots[self.slot(name) as usize].fetch_add(1, Ordering::Release);
    }

    /// Any key may have changed.
    #[cfg(feature = "redis")]
    pub(super) fn all_changed(&self) {
        for slot in &self.slots {
            // ORDERING: Release, see `mark_of`.
            slot.fetch_add(1, Ordering::Release);
        }
    }

    /// Where a name has its mark.
    pub(super) fn slot(&self, name: &[u8]) -> u32 {
        let slot = self.hasher.hash_one(name) % SLOTS as u64;
        u32::try_from(slot).expect("it is below the number of slots")
    }
}

#[cfg(all(test, model))]
mod loom_tests {
    use std::sync::Arc;

    use loom::thread;

    use super::*;
    use crate::sync::{Mutex, lock};

    #[test]
    fn what_is_heard_of_a_key_beats_what_was_read_before_whenever_it_comes() {
        loom::model(|| {
            let marks = Arc::new(Marks::new());
            let row = Arc::new(Mutex::new(1));
            let writer = {
                let (marks, row) = (Arc::clone(&marks), Arc::clone(&row));
                thread::spawn(move || {
                    *lock(&row) = 2;
                    marks.changed(b"key");
                })
            };
            let mark = marks.mark(b"key");
            let read = *lock(&row);
            writer.join().expect("no panic");
            assert!(read == 2 || !marks.is_current(mark), "read {read}");
        });
    }
}
