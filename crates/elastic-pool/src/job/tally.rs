//! How many jobs have ended, and how.

use std::ops::Add;

use super::JobError;
use crate::sync::{AtomicU64, Ordering};

/// How many jobs have ended in which way. It is counted before the handle is told, so that who
/// has waited for all handles finds all jobs counted.
#[derive(Debug, Default)]
// A cache line for each: workers do not slow each other down.
#[repr(align(64))]
pub(crate) struct Tally {
    /// Only one thread counts here, so that it can do it with a plain load and store.
    has_one_writer: bool,
    completed: AtomicU64,
    panicked: AtomicU64,
    cancelled: AtomicU64,
    returned: AtomicU64,
}

impl Tally {
    /// For one thread to count.
    pub(crate) fn of_one_thread() -> Self {
        Self {
            has_one_writer: true,
            ..Self::default()
        }
    }

    pub(super) fn count(&self, result: Result<(), &JobError>) {
        let counter = match result {
            Ok(()) => &self.completed,
            Err(JobError::Panicked(_)) => &self.panicked,
            Err(JobError::Cancelled(_)) => &self.cancelled,
        };
        self.add(counter, 1);
    }

    pub(crate) fn count_returned(&self) {
        self.add(&self.returned, 1);
    }

    fn add(&self, counter: &AtomicU64, more: u64) {
        // ORDERING: Relaxed. It guards no other memory; the step that ends the job is a Release, and
        // comes after it: who has seen the result sees the count.
        if self.has_one_writer {
            let before = counter.load(Ordering::Relaxed);
            counter.store(before + more, Ordering::Relaxed);
        } else {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Ended {
        // ORDERING: Relaxed, as above.
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ended {
            completed: read(&self.completed),
            panicked: read(&self.panicked),
            cancelled: read(&self.cancelled),
            returned: read(&self.returned),
        }
    }

    /// Adds what another one has counted.
    pub(crate) fn absorb(&self, other: &Self) {
        let other = other.read();
        self.add(&self.completed, other.completed);
        self.add(&self.panicked, other.panicked);
        self.add(&self.cancelled, other.cancelled);
        self.add(&self.returned, other.returned);
    }
}

/// What a [`Tally`] says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    pub(crate) completed: u64,
    pub(crate) panicked: u64,
    pub(crate) cancelled: u64,
    pub(crate) returned: u64,
}

impl Add for Ended {
    type Output = Self;

    fn add(self, more: Self) -> Self {
        Self {
            completed: self.completed + more.completed,
            panicked: self.panicked + more.panicked,
            cancelled: self.cancelled + more.cancelled,
            returned: self.returned + more.returned,
        }
    }
}
