//! How long what is kept.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub(super) ttl: Duration,
    pub(super) negative_ttl: Duration,
    pub(super) stale_for: Duration,
    pub(super) soft_timeout: Duration,
    pub(super) load_timeout: Duration,
}

/// What is beyond the clock lasts for so long.
pub(super) const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Policy {
    /// Until when an answer is fresh, and until when it can stand in for a newer one.
    ///
    /// Up to a tenth of the time is taken off by chance, so that what was filled together does
    /// not expire together. None is added: a time to live is a promise.
    pub(super) fn lifetime(&self, exists: bool, now: Instant) -> (Instant, Instant) {
        let ttl = self.most(exists);
        let fresh_until = now + ttl - jitter(ttl / 10);
        (fresh_until, fresh_until + self.most_stale(exists))
    }

    /// For how long an answer can stand in for a newer one.
    pub(super) fn most_stale(&self, exists: bool) -> Duration {
        if exists {
            self.stale_for.min(FOR_EVER)
        } else {
            Duration::ZERO
        }
    }

    /// The longest time for which an answer is fresh.
    pub(super) fn most(&self, exists: bool) -> Duration {
        let ttl = if exists { self.ttl } else { self.negative_ttl };
        ttl.min(FOR_EVER)
    }
}

/// Up to `most`, by chance: the standard library's hasher is seeded from the system.
pub(super) fn jitter(most: Duration) -> Duration {
    let chance = RandomState::new().hash_one(0) % 1_000;
    most * u32::try_from(chance).expect("below 1000") / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_is_never_longer_than_said_and_differs_from_one_to_the_next() {
        let policy = Policy {
            ttl: Duration::from_secs(100),
            negative_ttl: Duration::from_secs(1),
            stale_for: Duration::from_secs(50),
            soft_timeout: Duration::ZERO,
            load_timeout: Duration::MAX,
        };
        let now = Instant::now();
        let mut ends: Vec<_> = (0..100).map(|_| policy.lifetime(true, now)).collect();
        for (fresh, stale) in &ends {
            let lives = *fresh - now;
            assert!(
                lives <= policy.ttl && lives >= policy.ttl * 9 / 10,
                "{lives:?}"
            );
            assert_eq!(*stale - *fresh, policy.stale_for);
        }
        ends.dedup();
        assert!(ends.len() > 50, "{} different ones", ends.len());
        let (fresh, stale) = policy.lifetime(false, now);
        assert_eq!(fresh, stale, "what does not exist is never stale");
        assert!(fresh - now <= policy.negative_ttl);
    }
}
