//! How often what has happened.

use std::fmt;

use crate::sync::{AtomicUsize, Ordering};

#[derive(Default)]
pub(super) struct Counts {
    found: AtomicUsize,
    missing: AtomicUsize,
    unreadable: AtomicUsize,
    unwritable: AtomicUsize,
    unanswered: AtomicUsize,
}

impl Counts {
    pub(super) fn found(&self) {
        count(&self.found);
    }

    pub(super) fn missing(&self) {
        count(&self.missing);
    }

    /// Another format, schema, codec or key, or bytes that the codec does not know.
    pub(super) fn unreadable(&self) {
        count(&self.unreadable);
    }

    /// Too long, or the codec has failed.
    pub(super) fn unwritable(&self) {
        count(&self.unwritable);
    }

    pub(super) fn unanswered(&self) {
        count(&self.unanswered);
    }
}

fn count(counter: &AtomicUsize) {
    // ORDERING: Relaxed. It guards nothing, and is read by people.
    counter.fetch_add(1, Ordering::Relaxed);
}

impl fmt::Debug for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ORDERING: Relaxed, see `count`.
        let value = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        f.debug_struct("Counts")
            .field("found", &value(&self.found))
            .field("missing", &value(&self.missing))
            .field("unreadable", &value(&self.unreadable))
            .field("unwritable", &value(&self.unwritable))
            .field("unanswered", &value(&self.unanswered))
            .finish()
    }
}
