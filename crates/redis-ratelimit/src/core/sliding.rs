//! The sliding window, by conservative buckets.
//!
//! Time is cut into buckets of a tenth of the window. The bucket that the window has half left
//! counts in full, so that no window of this length, wherever it begins, holds more than the
//! limit. The price is strictness of at most a tenth: a unit counts for up to 1.1 windows. (The
//! usual form weighs one previous window by its overlap, and admits almost twice the limit.)

use super::fixed::scaled;
use super::{Algorithm, Stored};

/// The buckets of a window, beside the one that it has half left.
pub(crate) const BUCKETS: usize = 10;

/// At most `limit` units in any window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SlidingWindow {
    limit: u32,
    bucket_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Until the next bucket begins.
    left_us: u64,
    /// The newest first.
    counts: [u32; BUCKETS + 1],
}

impl SlidingWindow {
    /// A window that has no tenth in whole microseconds is a few of them longer.
    pub(crate) fn new(limit: u32, window_us: u64) -> Self {
        Self {
            limit,
            bucket_us: window_us.div_ceil(BUCKETS as u64),
        }
    }

    pub(crate) fn bucket_us(&self) -> u64 {
        self.bucket_us
    }

    /// See [`FixedWindow`](super::FixedWindow).
    pub(super) fn share(&self, nodes: u32) -> Self {
        let limit = self.limit.div_ceil(nodes);
        Self {
            limit,
            bucket_us: scaled(
                self.bucket_us,
                u64::from(limit) * u64::from(nodes),
                self.limit,
            ),
        }
    }
}

impl Algorithm for SlidingWindow {
    type Seen = Seen;

    fn capacity(&self) -> u32 {
        self.limit
    }

    fn see(&self, stored: Option<&Stored>, now: u64) -> (Seen, bool) {
        let mut seen = Seen {
            left_us: self.bucket_us - now % self.bucket_us,
            counts: [0; BUCKETS + 1],
        };
        let Some(&Stored::Sliding {
            bucket_us,
            newest,
            counts,
        }) = stored
        else {
            return (seen, false);
        };
        let bucket = now / bucket_us;
        // A newest bucket from the future is taken for the one of now.
        let passed = usize::try_from(bucket.saturating_sub(newest)).unwrap_or(usize::MAX);
        let ages = (0..=BUCKETS).skip(passed);
        for (age, count) in ages.zip(counts) {
            // The period was changed: whatever the old one still counts is as of now.
            let age = if bucket_us == self.bucket_us { age } else { 0 };
            let sum = seen.counts[age].saturating_add(count);
            seen.counts[age] = sum.min(self.limit);
        }
        (seen, newest > bucket)
    }

    fn read(&self, reply: &[i64]) -> Option<Seen> {
        let [left_us, counts @ ..] = reply else {
            return None;
        };
        let counts: &[i64; BUCKETS + 1] = counts.try_into().ok()?;
        let mut seen = Seen {
            left_us: u64::try_from(*left_us).ok()?,
            counts: [0; BUCKETS + 1],
        };
        for (count, read) in seen.counts.iter_mut().zip(counts) {
            *count = u32::try_from(*read).ok()?;
        }
        let is_sound = (1..=self.bucket_us).contains(&seen.left_us);
        (is_sound && seen.counts.iter().all(|count| *count <= self.limit)).then_some(seen)
    }

    fn admits(&self, seen: Seen, cost: u32) -> bool {
        seen.sum() + u64::from(cost) <= u64::from(self.limit)
    }

    fn take(&self, mut seen: Seen, cost: u32) -> Seen {
        seen.counts[0] = seen.counts[0].saturating_add(cost);
        seen
    }

    /// From the oldest bucket on: taken from a newer one, a unit that stays would be forgotten
    /// before its time.
    fn give(&self, mut seen: Seen, cost: u32) -> Seen {
        let mut owed = cost;
        for count in seen.counts.iter_mut().rev() {
            let given = owed.min(*count);
            *count -= given;
            owed -= given;
        }
        seen
    }

    fn store(&self, seen: Seen, now: u64) -> Stored {
        Stored::Sliding {
            bucket_us: self.bucket_us,
            newest: now / self.bucket_us,
            counts: seen.counts,
        }
    }

    fn remaining(&self, seen: Seen) -> u64 {
        u64::from(self.limit).saturating_sub(seen.sum())
    }

    fn wait_us(&self, seen: Seen, cost: u32) -> u64 {
        let mut over = (seen.sum() + u64::from(cost)).saturating_sub(u64::from(self.limit));
        let mut wait_us = 0;
        for (age, count) in seen.counts.iter().enumerate().rev() {
            if over == 0 {
                break;
            }
            over = over.saturating_sub(u64::from(*count));
            wait_us = self.until_forgotten_us(seen, age);
        }
        wait_us
    }

    fn reset_us(&self, seen: Seen) -> u64 {
        let youngest = seen.counts.iter().position(|count| *count > 0);
        youngest.map_or(0, |age| self.until_forgotten_us(seen, age))
    }
}

impl SlidingWindow {
    /// When the bucket of this age leaves the last place.
    fn until_forgotten_us(&self, seen: Seen, age: usize) -> u64 {
        seen.left_us + (BUCKETS - age) as u64 * self.bucket_us
    }
}

impl Seen {
    fn sum(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }
}
