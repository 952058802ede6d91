//! The settings of a pool, once they are checked.

use crate::clock::{Clock, NEVER, Nanos};

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) queue: usize,
    pub(super) idle_timeout: Nanos,
    /// Zero: a worker is started for each job that finds none idle.
    pub(super) target_delay: Nanos,
}

impl Settings {
    pub(super) const fn keeps_spare(&self) -> bool {
        self.target_delay == 0
    }

    /// Growth by delay has to know the age of whichever job is the oldest.
    pub(super) const fn times_each(&self) -> bool {
        self.target_delay != 0
    }

    pub(super) fn wants_more(&self, oldest: Nanos, clock: &Clock) -> bool {
        self.target_delay == 0 || self.grows_at(oldest) <= clock.now()
    }

    pub(super) const fn grows_at(&self, oldest: Nanos) -> Nanos {
        match (self.target_delay, oldest) {
            (0, _) | (_, 0) => NEVER,
            (delay, oldest) => oldest.saturating_add(delay),
        }
    }
}
