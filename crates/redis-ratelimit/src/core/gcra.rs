//! The generic cell rate algorithm, in the virtual scheduling form of ITU-T I.371, annex A.
//!
//! A quota of `n` units per period has an interval of `period / n` between two units. Few of them
//! are whole microseconds: rounded up, 30 000 a second would be 29 411. So times carry a part,
//! counted in the reduced denominator of the interval, and nothing is ever rounded.

use super::{Algorithm, HORIZON_US, Stored};

/// The largest product that a script computes with parts: doubles count exactly up to 2^53.
const PARTS_MAX: u128 = 1 << 52;

/// A time of `whole` µs and `part` of a denominator that its [`Gcra`] knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub(crate) struct Time {
    pub(crate) whole: u64,
    pub(crate) part: u64,
}

/// At most `burst` units at once, and one more after each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Gcra {
    /// Between two units.
    pub(crate) interval: Time,
    /// `burst` intervals: how far ahead of the clock the arrival time may lie.
    pub(crate) tolerance: Time,
    /// What a `part` is a part of.
    pub(crate) denominator: u64,
    burst: u32,
}

/// Why a quota can't be enforced exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuildFault {
    /// More than one unit per microsecond.
    Fast,
    /// A burst that takes longer to refill than the horizon.
    Long,
    /// An interval whose exact multiples do not fit into a double.
    Fine,
}

impl Gcra {
    /// `units`, `period_us` and `burst` are not zero.
    pub(crate) fn new(units: u32, period_us: u64, burst: u32) -> Result<Self, BuildFault> {
        let units = u64::from(units);
        let rest = period_us % units;
        let divisor = greatest_common_divisor(rest, units);
        let interval = Time {
            whole: period_us / units,
            part: rest / divisor,
        };
        let gcra = Self::with_interval(interval, units / divisor, burst);
        if interval.whole == 0 {
            return Err(BuildFault::Fast);
        }
        if gcra.tolerance.whole > HORIZON_US {
            return Err(BuildFault::Long);
        }
        if u128::from(gcra.denominator) * (u128::from(burst) + 1) > PARTS_MAX {
            return Err(BuildFault::Fine);
        }
        Ok(gcra)
    }

    fn with_interval(interval: Time, denominator: u64, burst: u32) -> Self {
        let mut gcra = Self {
            interval,
            tolerance: Time::default(),
            denominator,
            burst,
        };
        gcra.tolerance = gcra.intervals(burst);
        gcra
    }

    /// How many integers the script of this algorithm alone replies with for each key.
    #[cfg(feature = "redis")]
    pub(crate) fn reply_len(&self) -> usize {
        if self.denominator == 1 { 1 } else { 2 }
    }

    /// An interval `nodes` times as long, and a burst divided by them. Not limited by what a
    /// double holds, because shares are enforced in memory.
    pub(super) fn share(&self, nodes: u32) -> Self {
        let interval = self.intervals(nodes);
        Self::with_interval(interval, self.denominator, self.burst.div_ceil(nodes))
    }

    /// How many units come in `us`, at the rate of the quota.
    #[cfg(feature = "tower")]
    pub(crate) fn units_in_us(&self, us: u64) -> u64 {
        let units = u128::from(us) * u128::from(self.denominator) / self.parts(self.interval);
        u64::try_from(units).unwrap_or(u64::MAX)
    }

    /// How long `units` take to come, at the rate of the quota.
    #[cfg(feature = "tower")]
    pub(crate) fn us_for_units(&self, units: u64) -> u64 {
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        self.intervals(units).rounded_up()
    }

    /// `count` intervals, at most the end of time.
    #[inline]
    fn intervals(&self, count: u32) -> Time {
        if self.denominator == 1 {
            // The usual case, and a division of 128 bits is the dearest part of a decision.
            let whole = self.interval.whole.saturating_mul(u64::from(count));
            return Time { whole, part: 0 };
        }
        let parts = self.parts(self.interval) * u128::from(count);
        let denominator = u128::from(self.denominator);
        Time {
            whole: u64::try_from(parts / denominator).unwrap_or(u64::MAX),
            part: u64::try_from(parts % denominator).expect("less than the denominator"),
        }
    }

    /// At most 2^64 * 2^32 and a bit.
    #[inline]
    fn parts(&self, time: Time) -> u128 {
        u128::from(time.whole) * u128::from(self.denominator) + u128::from(time.part)
    }

    #[inline]
    fn sum(&self, a: Time, b: Time) -> Time {
        let part = a.part + b.part;
        let carry = u64::from(part >= self.denominator);
        Time {
            whole: a.whole.saturating_add(b.whole).saturating_add(carry),
            part: part - carry * self.denominator,
        }
    }

    /// `a - b`, or nothing if that is negative.
    #[inline]
    fn difference(&self, a: Time, b: Time) -> Time {
        if a <= b {
            return Time::default();
        }
        let borrow = u64::from(a.part < b.part);
        Time {
            whole: a.whole - b.whole - borrow,
            part: a.part + borrow * self.denominator - b.part,
        }
    }
}

/// What is seen is the debt: how far the arrival time lies ahead of the clock.
impl Algorithm for Gcra {
    type Seen = Time;

    #[inline]
    fn capacity(&self) -> u32 {
        self.burst
    }

    #[inline]
    fn see(&self, stored: Option<&Stored>, now: u64) -> (Time, bool) {
        let Some(&Stored::Gcra { whole, part }) = stored else {
            return (Time::default(), false);
        };
        let Some(whole) = whole.checked_sub(now) else {
            return (Time::default(), false);
        };
        // Parts of another denominator, because the quota has changed: off by less than 1 µs.
        let part = part.min(self.denominator - 1);
        let debt = Time { whole, part };
        (debt.min(self.tolerance), debt > self.tolerance)
    }

    #[inline]
    fn read(&self, reply: &[i64]) -> Option<Time> {
        let (whole, part) = match *reply {
            [whole] => (whole, 0),
            [whole, part] => (whole, part),
            _ => return None,
        };
        let debt = Time {
            whole: u64::try_from(whole).ok()?,
            part: u64::try_from(part).ok()?,
        };
        (debt <= self.tolerance && debt.part < self.denominator).then_some(debt)
    }

    #[inline]
    fn admits(&self, debt: Time, cost: u32) -> bool {
        self.take(debt, cost) <= self.tolerance
    }

    #[inline]
    fn take(&self, debt: Time, cost: u32) -> Time {
        self.sum(debt, self.intervals(cost))
    }

    #[inline]
    fn give(&self, debt: Time, cost: u32) -> Time {
        self.difference(debt, self.intervals(cost))
    }

    #[inline]
    fn store(&self, debt: Time, now: u64) -> Stored {
        Stored::Gcra {
            whole: now.saturating_add(debt.whole),
            part: debt.part,
        }
    }

    #[inline]
    fn remaining(&self, debt: Time) -> u64 {
        let left = self.difference(self.tolerance, debt);
        if self.denominator == 1 {
            return left.whole / self.interval.whole;
        }
        let units = self.parts(left) / self.parts(self.interval);
        u64::try_from(units).expect("at most the burst")
    }

    #[inline]
    fn wait_us(&self, debt: Time, cost: u32) -> u64 {
        self.difference(self.take(debt, cost), self.tolerance)
            .rounded_up()
    }

    #[inline]
    fn reset_us(&self, debt: Time) -> u64 {
        debt.rounded_up()
    }
}

impl Time {
    #[inline]
    fn rounded_up(self) -> u64 {
        self.whole.saturating_add(u64::from(self.part > 0))
    }
}

/// Euclid, *Elements* VII.2. `b` is not zero.
fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if a == 0 {
        b
    } else {
        greatest_common_divisor(b % a, a)
    }
}
