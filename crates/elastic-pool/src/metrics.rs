//! What a pool says of itself.

use std::time::Duration;

use crate::sync::{AtomicU64, Ordering};

/// A moment of a pool. All counters are since it was built, and at rest
/// `accepted == completed + panicked + cancelled + returned`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Workers, whether busy or idle.
    pub workers: usize,
    /// Workers that run a job.
    pub busy: usize,
    /// Jobs that wait.
    pub queued: usize,
    /// Jobs that were taken: all but those that were refused.
    pub accepted: u64,
    /// Jobs that have returned.
    pub completed: u64,
    /// Jobs that have panicked.
    pub panicked: u64,
    /// Jobs that were cancelled before they ran, for whatever reason.
    pub cancelled: u64,
    /// Jobs that a shutdown has handed back.
    pub returned: u64,
    /// Threads that were started.
    pub threads_started: u64,
    /// Threads that the system has refused to start.
    pub threads_refused: u64,
    /// Whether the controller has panicked, and is not asked since.
    pub controller_panicked: bool,
    /// Whether the observer has panicked, and is told of nothing since.
    pub observer_panicked: bool,
    /// From submission to start.
    pub wait: Histogram,
    /// From start to end.
    pub run: Histogram,
}

impl Metrics {
    /// Workers that wait for a job.
    #[must_use]
    pub const fn idle(&self) -> usize {
        self.workers.saturating_sub(self.busy)
    }
}

const BUCKETS: usize = 64;

/// How long something took, in buckets of powers of two of a nanosecond.
///
/// While jobs arrive faster than they are fetched, one in 32 is timed and stands for the others, so
/// that a clock costs a busy pool next to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; BUCKETS],
    sum_nanos: u64,
}

impl Histogram {
    /// How many jobs it stands for.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The mean, if there is one.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let mean = self.sum_nanos.checked_div(self.count())?;
        Some(Duration::from_nanos(mean))
    }

    /// A bound that the given share of jobs has kept: `quantile(0.99)`. It is less than twice the
    /// true value.
    ///
    /// `None` without jobs, and for a share that is not from 0 to 1.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&share) {
            return None;
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a bucket is coarser than what a f64 loses"
        )]
        let rank = ((count as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        self.buckets().find_map(|(bound, count)| {
            seen += count;
            (seen >= rank).then_some(bound)
        })
    }

    /// The upper bound of each bucket that is not empty, and how many jobs are in it.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        let bounds = (0..BUCKETS).map(|bucket| Duration::from_nanos(upper_bound(bucket)));
        bounds
            .zip(self.counts.iter().copied())
            .filter(|(_, count)| *count != 0)
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
            sum_nanos: 0,
        }
    }
}

/// The last value of a bucket: 2^bucket - 1, and bucket 63 takes all that is longer.
const fn upper_bound(bucket: usize) -> u64 {
    if bucket + 1 >= BUCKETS {
        u64::MAX
    } else {
        (1 << bucket) - 1
    }
}

/// A histogram that is being written.
#[derive(Debug)]
pub(crate) struct Recorder {
    counts: [AtomicU64; BUCKETS],
    sum_nanos: AtomicU64,
}

/// The histograms of a pool.
#[derive(Debug, Default)]
pub(crate) struct Timings {
    pub(crate) wait: Recorder,
    pub(crate) run: Recorder,
}

impl Recorder {
    pub(crate) fn record(&self, nanos: u64, weight: u32) {
        let bucket = (u64::BITS - nanos.leading_zeros()) as usize;
        let weight = u64::from(weight);
        // ORDERING: Relaxed, here and below: counters that guard no other memory.
        self.counts[bucket.min(BUCKETS - 1)].fetch_add(weight, Ordering::Relaxed);
        self.sum_nanos
            .fetch_add(nanos.saturating_mul(weight), Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Histogram {
        Histogram {
            counts: std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed)),
            sum_nanos: self.sum_nanos.load(Ordering::Relaxed),
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            sum_nanos: AtomicU64::new(0),
        }
    }
}

#[cfg(all(test, not(model)))]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_bound_less_than_twice_too_high() {
        let recorder = Recorder::default();
        for nanos in 1..=1_000 {
            recorder.record(nanos, 1);
        }
        let histogram = recorder.read();
        assert_eq!(histogram.count(), 1_000);
        assert_eq!(histogram.mean(), Some(Duration::from_nanos(500)));
        for (share, nanos) in [(0.0, 1), (0.5, 500), (0.99, 990), (1.0, 1_000)] {
            let bound = histogram
                .quantile(share)
                .expect("it is not empty")
                .as_nanos();
            assert!((nanos..2 * nanos).contains(&bound), "{share}: {bound}");
        }
    }

    #[test]
    fn the_shortest_and_the_longest_time_have_a_bucket() {
        let recorder = Recorder::default();
        recorder.record(0, 1);
        recorder.record(u64::MAX, 1);
        assert_eq!(recorder.read().quantile(0.1), Some(Duration::ZERO));
        assert_eq!(
            recorder.read().quantile(1.0),
            Some(Duration::from_nanos(u64::MAX))
        );
        assert_eq!(Histogram::default().quantile(0.5), None);
        assert_eq!(recorder.read().quantile(1.5), None);
    }
}
