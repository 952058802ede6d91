//! A named rule.

use std::sync::Arc;
use std::time::Duration;

use crate::core::{BuildFault, FixedWindow, Gcra, HORIZON_US, Rule, SlidingWindow};
use crate::{PolicyError, Quota};

/// A policy's name is a header's parameter, a metric's label and a part of each key.
const NAME_BYTES_MAX: usize = 64;

/// A quota with an algorithm and a name.
///
/// | | at once | in any period | use it for |
/// |---|---|---|---|
/// | [`gcra`](Self::gcra) | `burst` | `burst` + the quota | APIs: smooth, cheap, one number per key |
/// | [`fixed_window`](Self::fixed_window) | the quota | twice the quota less one | plans that say "per day" |
/// | [`sliding_window`](Self::sliding_window) | the quota | the quota, always | limits that must never be exceeded |
///
/// A clone is cheap and is the same policy. Its name is a part of the keys: two policies with
/// different names count by themselves, and two with the same name share their counts. A policy
/// whose quota has changed keeps them, so it can be rolled out without a fresh start for all.
///
/// # Examples
///
/// ```
/// use redis_ratelimit::{Policy, Quota};
///
/// let api = Policy::gcra("api", Quota::per_second(10).burst(20))?;
/// let logins = Policy::sliding_window("logins", Quota::per_minute(5))?;
/// assert_eq!((api.name(), api.limit()), ("api", 20));
/// # let _ = logins;
/// # Ok::<(), redis_ratelimit::PolicyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Policy {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: Box<str>,
    quota: Quota,
    rule: Rule,
}

impl Policy {
    /// A unit each `period / units`, and `burst` of them at once after a rest: the generic cell
    /// rate algorithm, also known as a token bucket or a leaky bucket as a meter.
    ///
    /// It is exact, also where the period has no whole microseconds for each unit. In any period
    /// it admits up to `burst` and a whole quota: `Quota::per_minute(100)` lets 199 through in
    /// some minute, when a full bucket is drained and refills. Set a smaller burst, or take a
    /// [`sliding_window`](Self::sliding_window), if that matters.
    ///
    /// # Errors
    ///
    /// A [`PolicyError`] if the name or the quota is not one.
    pub fn gcra(name: impl Into<Box<str>>, quota: Quota) -> Result<Self, PolicyError> {
        let name = checked_name(name)?;
        let period_us = checked_period_us(quota)?;
        let burst = quota.burst.unwrap_or(quota.units);
        if burst == 0 {
            return Err(PolicyError::ZeroBurst);
        }
        let gcra = Gcra::new(quota.units, period_us, burst).map_err(|fault| match fault {
            BuildFault::Fast => PolicyError::TooFast { quota },
            BuildFault::Long => PolicyError::TooLong { quota },
            BuildFault::Fine => PolicyError::TooFine { quota },
        })?;
        Ok(Self::new(name, quota, Rule::Gcra(gcra)))
    }

    /// As many units as the quota has, from the first one on until a period later.
    ///
    /// A client that waits for the end of a window gets almost twice the quota within moments.
    ///
    /// # Errors
    ///
    /// A [`PolicyError`] if the name or the quota is not one, or the quota has a burst.
    pub fn fixed_window(name: impl Into<Box<str>>, quota: Quota) -> Result<Self, PolicyError> {
        let name = checked_name(name)?;
        let rule = FixedWindow {
            limit: quota.units,
            window_us: checked_window_us(quota)?,
        };
        Ok(Self::new(name, quota, Rule::Fixed(rule)))
    }

    /// Never more units than the quota has in any period, wherever the period begins.
    ///
    /// It counts in tenths of the period and takes the oldest one in full, so a unit counts for
    /// up to 1.1 periods.
    ///
    /// # Errors
    ///
    /// A [`PolicyError`] if the name or the quota is not one, or the quota has a burst.
    pub fn sliding_window(name: impl Into<Box<str>>, quota: Quota) -> Result<Self, PolicyError> {
        let name = checked_name(name)?;
        let rule = SlidingWindow::new(quota.units, checked_window_us(quota)?);
        Ok(Self::new(name, quota, Rule::Sliding(rule)))
    }

    fn new(name: Box<str>, quota: Quota, rule: Rule) -> Self {
        Self {
            inner: Arc::new(Inner { name, quota, rule }),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The quota, as it was given.
    pub fn quota(&self) -> Quota {
        self.inner.quota
    }

    /// The most that one check may cost: the burst, or the quota of a window.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.inner.rule.capacity()
    }

    pub(crate) fn rule(&self) -> &Rule {
        &self.inner.rule
    }
}

/// Printable ASCII, so that it can stand in a header, without the characters that would have to
/// be escaped there, and without the one that ends it in a key.
pub(crate) fn checked_name(name: impl Into<Box<str>>) -> Result<Box<str>, PolicyError> {
    let name = name.into();
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b':');
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain) {
        Ok(name)
    } else {
        Err(PolicyError::InvalidName { name })
    }
}

/// A time between one microsecond and the horizon.
pub(crate) fn checked_us(time: Duration) -> Option<u64> {
    let time_us = u64::try_from(time.as_micros()).ok()?;
    (1..=HORIZON_US).contains(&time_us).then_some(time_us)
}

fn checked_period_us(quota: Quota) -> Result<u64, PolicyError> {
    if quota.units == 0 {
        return Err(PolicyError::ZeroQuota);
    }
    checked_us(quota.period).ok_or(PolicyError::PeriodOutOfRange {
        period: quota.period,
    })
}

fn checked_window_us(quota: Quota) -> Result<u64, PolicyError> {
    let window_us = checked_period_us(quota)?;
    match quota.burst {
        Some(_) => Err(PolicyError::BurstOfWindow),
        None => Ok(window_us),
    }
}
