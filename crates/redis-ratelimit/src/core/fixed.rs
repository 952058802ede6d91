//! The fixed window: it opens with the first unit, and closes a period later.
//!
//! The window's start is stored with the count. The time to live of a key would say the same as
//! long as it is neither lost nor moved by a step of the clock, and the limit would be wrong
//! after either.

use super::{Algorithm, Stored};

/// At most `limit` units between the first one and the end of the period that it opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FixedWindow {
    pub(crate) limit: u32,
    pub(crate) window_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    left_us: u64,
    used: u64,
}

impl FixedWindow {
    /// As much longer as its limit is rounded up, so that it is no more than a share in the long
    /// run.
    pub(super) fn share(&self, nodes: u32) -> Self {
        let limit = self.limit.div_ceil(nodes);
        Self {
            limit,
            window_us: scaled(
                self.window_us,
                u64::from(limit) * u64::from(nodes),
                self.limit,
            ),
        }
    }
}

/// `us * times / by`, rounded up.
pub(super) fn scaled(us: u64, times: u64, by: u32) -> u64 {
    let scaled = (u128::from(us) * u128::from(times)).div_ceil(u128::from(by));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

impl Algorithm for FixedWindow {
    type Seen = Seen;

    fn capacity(&self) -> u32 {
        self.limit
    }

    /// A window from the future is none: the clock was set back, and waiting for it would take as
    /// long as the clock is off. So nothing stored is ever too far ahead.
    fn see(&self, stored: Option<&Stored>, now: u64) -> (Seen, bool) {
        let limit = u64::from(self.limit);
        let seen = match stored {
            Some(&Stored::Fixed { start, used })
                if start <= now && now - start < self.window_us =>
            {
                Seen {
                    left_us: self.window_us - (now - start),
                    used: used.min(limit),
                }
            }
            _ => Seen {
                left_us: self.window_us,
                used: 0,
            },
        };
        (seen, false)
    }

    fn read(&self, reply: &[i64]) -> Option<Seen> {
        let [left_us, used] = *reply else { return None };
        let seen = Seen {
            left_us: u64::try_from(left_us).ok()?,
            used: u64::try_from(used).ok()?,
        };
        let is_sound = (1..=self.window_us).contains(&seen.left_us);
        (is_sound && seen.used <= u64::from(self.limit)).then_some(seen)
    }

    fn admits(&self, seen: Seen, cost: u32) -> bool {
        seen.used + u64::from(cost) <= u64::from(self.limit)
    }

    fn take(&self, seen: Seen, cost: u32) -> Seen {
        Seen {
            used: seen.used + u64::from(cost),
            ..seen
        }
    }

    fn give(&self, seen: Seen, cost: u32) -> Seen {
        Seen {
            used: seen.used.saturating_sub(u64::from(cost)),
            ..seen
        }
    }

    fn store(&self, seen: Seen, now: u64) -> Stored {
        Stored::Fixed {
            // `left_us` is at most the window; a clock that started less than a window ago makes
            // the window that was open when it started a little longer.
            start: now.saturating_sub(self.window_us - seen.left_us),
            used: seen.used,
        }
    }

    fn remaining(&self, seen: Seen) -> u64 {
        u64::from(self.limit).saturating_sub(seen.used)
    }

    fn wait_us(&self, seen: Seen, cost: u32) -> u64 {
        if self.admits(seen, cost) {
            0
        } else {
            seen.left_us
        }
    }

    fn reset_us(&self, seen: Seen) -> u64 {
        if seen.used == 0 { 0 } else { seen.left_us }
    }
}
