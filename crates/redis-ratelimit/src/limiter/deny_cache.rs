//! Denials that still hold are answered here, without asking the store.
//!
//! What is kept is not the verdict but the state that the store has seen, on this process' clock
//! and counted from before the store was asked. So by this clock it is never younger than it is in
//! the store, where nothing but a refund, a reset or a larger quota can bring it down: as long as
//! it denies, the store would, for each cost by itself.

use std::time::Instant;

use crate::core::{HORIZON_US, Outcome, Rule, Stored};
use crate::store::Request;
use crate::table::Table;

/// A refund or a reset by another process is seen after this time at the latest.
const MAX_AGE_US: u64 = 1_000_000;

#[derive(Debug)]
pub(super) struct DenyCache {
    denied: Table<Stored>,
}

/// This process' time, in µs, far from zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalClock {
    opened_at: Instant,
}

impl DenyCache {
    pub(super) fn new(keys: usize) -> Self {
        Self {
            denied: Table::new(keys),
        }
    }

    /// The denial of a request, if what is remembered denies it. Of most nothing is, and then there is
    /// no look at the clock.
    pub(super) fn denial(
        &self,
        request: Request<'_>,
        now: impl FnOnce() -> u64,
    ) -> Option<Outcome> {
        let place = self.denied.locate(request.id);
        let (stored, expires) = self.denied.lock(place).kept(place, request.id)?;
        let now = now();
        let outcome = (expires > now).then(|| request.rule.decide(Some(stored), now, request.cost));
        outcome.filter(|outcome| !outcome.admitted)
    }

    /// Remembers a denial that the store has told, with the state as of when it was asked.
    pub(super) fn remember(&self, request: Request<'_>, denial: &Outcome, now: u64) {
        // The buckets of a sliding window begin when the server's clock says so. Kept on ours,
        // they would end up to a bucket later, and deny what the store admits.
        if matches!(request.rule, Rule::Sliding(_)) {
            return;
        }
        if let Some(state) = denial.write {
            let place = self.denied.locate(request.id);
            let expires = now + denial.figures.reset_us.min(MAX_AGE_US);
            self.denied
                .lock(place)
                .put(place, request.id, state, expires, now);
        }
    }

    pub(super) fn forget(&self, request: Request<'_>) {
        let place = self.denied.locate(request.id);
        self.denied.lock(place).remove(place, request.id);
    }
}

impl LocalClock {
    pub(super) fn start() -> Self {
        Self {
            opened_at: Instant::now(),
        }
    }

    pub(super) fn now_us(self) -> u64 {
        let since = self.opened_at.elapsed();
        HORIZON_US + since.as_secs() * 1_000_000 + u64::from(since.subsec_micros())
    }
}
