//! Where a worker sits while nothing is to be done.

use std::sync::Arc;

use crate::clock::{NEVER, Nanos};
use crate::sync::{AtomicBool, Ordering, Parker};

/// A worker as others see it.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) parker: Parker,
    is_claimed: AtomicBool,
}

impl Seat {
    /// Sends the sleeper on its way. Called under the lock of the state, which also takes it off
    /// the list of sleepers: so it is claimed once.
    pub(super) fn claim(&self) {
        // ORDERING: Relaxed. Read and written under the lock of the state only.
        self.is_claimed.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has. A wake-up alone does not say so: it may be an old one.
    pub(super) fn was_claimed(&self) -> bool {
        // ORDERING: Relaxed, as in `claim`.
        let was_claimed = self.is_claimed.load(Ordering::Relaxed);
        self.is_claimed.store(false, Ordering::Relaxed);
        was_claimed
    }
}

/// A worker as it sees itself.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) seat: Arc<Seat>,
    pub(super) phase: Phase,
    /// When one that sleeps has slept for too long.
    pub(super) until: Nanos,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// On its way to a job: it was started.
    Starting,
    /// It runs a job.
    Busy,
    /// It has found nothing and looks whether something comes. Next it sleeps.
    Looking,
    Asleep,
}

impl Worker {
    pub(super) fn new() -> Self {
        let seat = Seat {
            parker: Parker::current(),
            is_claimed: AtomicBool::new(false),
        };
        Self {
            seat: Arc::new(seat),
            phase: Phase::Starting,
            until: NEVER,
        }
    }
}
