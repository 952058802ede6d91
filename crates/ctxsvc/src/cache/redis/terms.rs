//! What the settings come to.

use std::time::Duration;

use super::Redis;
use super::wire::{Bounds, ms};
use crate::cache::policy::{FOR_EVER, Policy};

/// What comes over a line of 100 Mbit/s in a millisecond, with something to spare.
const BYTES_PER_MS: u128 = 10 << 10;

/// What fits into a packet takes no longer, whatever the budget.
const BYTES_MIN: usize = 1 << 10;

/// One command at a time is served, whatever the budget.
const BYTES_MAX: usize = 8 << 20;

#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) schema: u32,
    pub(super) policy: Policy,
    pub(super) bounds: Bounds,
    /// For how long the right to load holds.
    pub(super) lease: Duration,
    /// For how long another process is waited for.
    pub(super) lease_wait: Duration,
    /// For what is asked before a load, and for what is told after it.
    pub(super) budget: Duration,
    pub(super) unheard_for: Duration,
}

impl Terms {
    pub(super) fn new(redis: &Redis, policy: &Policy) -> Self {
        let (budget, load_timeout) = (
            redis.budget.min(FOR_EVER),
            policy.load_timeout.min(FOR_EVER),
        );
        let bytes = budget.as_micros() * BYTES_PER_MS / 1_000;
        let bytes = usize::try_from(bytes).unwrap_or(BYTES_MAX);
        Self {
            schema: redis.schema,
            policy: policy.clone(),
            bounds: Bounds {
                ttl_ms: ms(policy.most(true)),
                negative_ttl_ms: ms(policy.most(false)),
                bytes: bytes.clamp(BYTES_MIN, BYTES_MAX),
            },
            // One budget to hear that it is ours, and one to write what was loaded.
            lease: load_timeout + 2 * budget,
            lease_wait: redis.lease_wait.unwrap_or(load_timeout).min(FOR_EVER),
            budget,
            unheard_for: redis.unlinked_ttl.min(FOR_EVER),
        }
    }

    /// For how long Redis keeps what this process has filled, at the most.
    pub(super) fn longest_kept(&self) -> Duration {
        let most = self.policy.most(true).max(self.policy.most(false));
        most + self.policy.most_stale(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_be_as_long_as_the_budget_allows_and_a_short_one_is_always_kept() {
        let policy = Policy {
            ttl: FOR_EVER,
            negative_ttl: FOR_EVER,
            stale_for: Duration::ZERO,
            soft_timeout: Duration::ZERO,
            load_timeout: Duration::from_secs(2),
        };
        let table = [
            (Duration::ZERO, 1 << 10),
            (Duration::from_micros(50), 1 << 10),
            (Duration::from_micros(500), 5 << 10),
            (Duration::from_micros(1_500), 15 << 10),
            (Duration::from_millis(50), 500 << 10),
            (Duration::from_secs(10), 8 << 20),
            (Duration::MAX, 8 << 20),
        ];
        for (budget, bytes) in table {
            let redis = Redis::open("redis://127.0.0.1:1").expect("a URL");
            let terms = Terms::new(&redis.budget(budget), &policy);
            assert_eq!(terms.bounds.bytes, bytes, "{budget:?}");
        }
    }
}
