//! The time of this process.

use std::time::Instant;

use crate::core::HORIZON_US;

/// A clock in µs that is far from zero, so that a window which was opened before the clock is no
/// special case.
pub(super) enum Clock {
    Read {
        now: fn() -> Instant,
        opened_at: Instant,
    },
    /// A counter of the processor's, which is read without asking the system.
    #[cfg(feature = "quanta")]
    Counter {
        counter: quanta::Clock,
        opened_at: u64,
    },
}

impl Clock {
    /// What `now` tells.
    pub(super) fn read(now: fn() -> Instant) -> Self {
        let opened_at = now();
        Self::Read { now, opened_at }
    }

    /// The fastest there is.
    pub(super) fn fastest() -> Self {
        #[cfg(feature = "quanta")]
        {
            let counter = quanta::Clock::new();
            let opened_at = counter.raw();
            Self::Counter { counter, opened_at }
        }
        #[cfg(not(feature = "quanta"))]
        Self::read(Instant::now)
    }

    #[inline]
    pub(super) fn now_us(&self) -> u64 {
        let since_us = match self {
            Self::Read { now, opened_at } => {
                let since = now().saturating_duration_since(*opened_at);
                since.as_secs() * 1_000_000 + u64::from(since.subsec_micros())
            }
            #[cfg(feature = "quanta")]
            Self::Counter { counter, opened_at } => {
                counter.delta_as_nanos(*opened_at, counter.raw()) / 1_000
            }
        };
        HORIZON_US + since_us
    }
}
