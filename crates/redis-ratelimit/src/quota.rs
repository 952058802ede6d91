//! How much is allowed, and how often.

use std::time::Duration;

/// So many units per period, for instance 100 requests a minute.
///
/// What is done with it is the business of a [`Policy`](crate::Policy), which also checks it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use redis_ratelimit::Quota;
///
/// let api = Quota::per_second(10).burst(20);
/// let exports = Quota::per(3, Duration::from_secs(15 * 60));
/// # let _ = (api, exports);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a quota does nothing until it is part of a policy"]
pub struct Quota {
    pub(crate) units: u32,
    pub(crate) period: Duration,
    pub(crate) burst: Option<u32>,
}

impl Quota {
    /// `units` per second.
    pub const fn per_second(units: u32) -> Self {
        Self::per(units, Duration::from_secs(1))
    }

    /// `units` per minute.
    pub const fn per_minute(units: u32) -> Self {
        Self::per(units, Duration::from_secs(60))
    }

    /// `units` per hour.
    pub const fn per_hour(units: u32) -> Self {
        Self::per(units, Duration::from_secs(60 * 60))
    }

    /// `units` per day of 24 hours.
    pub const fn per_day(units: u32) -> Self {
        Self::per(units, Duration::from_secs(24 * 60 * 60))
    }

    /// `units` per `period`, which counts in whole microseconds.
    pub const fn per(units: u32, period: Duration) -> Self {
        Self {
            units,
            period,
            burst: None,
        }
    }

    /// How many units may come at once: as many as there are in a period unless set.
    ///
    /// Only for [`Policy::gcra`](crate::Policy::gcra): a window has a limit and no burst.
    pub const fn burst(mut self, units: u32) -> Self {
        self.burst = Some(units);
        self
    }
}
