//! The specification: what each algorithm decides, in integers, without a clock and without I/O.
//!
//! Times are microseconds. What is *stored* is absolute, so that it needs no upkeep; what is
//! *seen* at a moment is relative to that moment and already clamped to what the rule can have
//! produced. The memory store runs this code, and the scripts for Redis mirror [`Rule::decide`]
//! step by step: they reply with what they saw, and everything that is shown is computed here.

mod fixed;
mod gcra;
mod leases;
mod sliding;

pub(crate) use self::fixed::FixedWindow;
pub(crate) use self::gcra::{BuildFault, Gcra};
pub(crate) use self::leases::{Leases, Slot, Slots};
pub(crate) use self::sliding::{BUCKETS, SlidingWindow};

/// The longest time that a rule may remember: 2^51 µs, which is 71 years. Added to the time of
/// day, which reaches 2^51 µs in the year 2041, it stays far below the 2^53 up to which the
/// doubles of Lua count exactly.
pub(crate) const HORIZON_US: u64 = 1 << 51;

/// The wait for what is never admitted: it asks for more than there is at once.
pub(crate) const NEVER_US: u64 = u64::MAX;

/// What one policy enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Rule {
    Gcra(Gcra),
    Fixed(FixedWindow),
    Sliding(SlidingWindow),
}

/// What a store keeps for a key, in absolute time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The theoretical arrival time: `whole` µs and `part` of the rule's denominator.
    Gcra { whole: u64, part: u64 },
    /// When the window was opened, and what was admitted in it.
    Fixed { start: u64, used: u64 },
    /// How long a bucket is, the number of the newest one, and what was admitted in each, the
    /// newest first.
    Sliding {
        bucket_us: u64,
        newest: u64,
        counts: [u32; BUCKETS + 1],
    },
}

/// The outcome of one decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) admitted: bool,
    pub(crate) figures: Figures,
    /// What the store has to write; a denial writes only what has to be set right.
    pub(crate) write: Option<Stored>,
}

/// What a caller may know after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Figures {
    pub(crate) remaining: u64,
    /// Until a check of the same cost is admitted, if nobody else asks. 0 when admitted, and
    /// [`NEVER_US`] if that will not be.
    pub(crate) wait_us: u64,
    /// Until nothing of what was admitted counts any more.
    pub(crate) reset_us: u64,
}

/// What each algorithm has to say; [`Rule`] puts it together.
trait Algorithm {
    /// The state at a moment, relative to it.
    type Seen: Copy;

    /// The most that can be admitted at once.
    fn capacity(&self) -> u32;

    /// Brings what is stored to `now`. True if it lay in the future further than the rule can
    /// have put it, because the clock was set back or the quota was cut: then it has to be
    /// written back even when the check is denied. Clamped on reading only, it would be clamped
    /// against a newer `now` each time, and lock its key out for as long as the clock was off.
    fn see(&self, stored: Option<&Stored>, now: u64) -> (Self::Seen, bool);

    /// Reads what a script has seen. `None` if that can't be.
    fn read(&self, reply: &[i64]) -> Option<Self::Seen>;

    fn admits(&self, seen: Self::Seen, cost: u32) -> bool;
    fn take(&self, seen: Self::Seen, cost: u32) -> Self::Seen;
    fn give(&self, seen: Self::Seen, cost: u32) -> Self::Seen;
    fn store(&self, seen: Self::Seen, now: u64) -> Stored;

    fn remaining(&self, seen: Self::Seen) -> u64;
    fn wait_us(&self, seen: Self::Seen, cost: u32) -> u64;
    fn reset_us(&self, seen: Self::Seen) -> u64;
}

/// Runs an expression with the rule's algorithm, whichever it is.
macro_rules! with_algorithm {
    ($rule:expr, $algorithm:ident => $run:expr) => {
        match $rule {
            Rule::Gcra($algorithm) => $run,
            Rule::Fixed($algorithm) => $run,
            Rule::Sliding($algorithm) => $run,
        }
    };
}

impl Rule {
    /// The most that can be admitted at once.
    pub(crate) fn capacity(&self) -> u32 {
        with_algorithm!(self, algorithm => algorithm.capacity())
    }

    /// Decides on `cost` units.
    pub(crate) fn decide(&self, stored: Option<Stored>, now: u64, cost: u32) -> Outcome {
        with_algorithm!(self, algorithm => {
            decide(algorithm, stored.as_ref(), now, cost).told(algorithm, now)
        })
    }

    /// Decides as [`decide`](Self::decide) does, and writes where the state lies.
    #[inline]
    pub(crate) fn decide_at(&self, stored: &mut Stored, now: u64, cost: u32) -> (bool, Figures) {
        with_algorithm!(self, algorithm => {
            let ruling = decide(algorithm, Some(stored), now, cost);
            if ruling.writes {
                *stored = algorithm.store(ruling.after, now);
            }
            (ruling.admitted, ruling.figures)
        })
    }

    /// Consumes nothing: to look, or because another limit denies.
    pub(crate) fn decline(&self, stored: Option<Stored>, now: u64, cost: u32) -> Outcome {
        with_algorithm!(self, algorithm => {
            let (seen, is_ahead) = algorithm.see(stored.as_ref(), now);
            decline(algorithm, seen, cost, is_ahead).told(algorithm, now)
        })
    }

    /// Takes `cost` units back, never further than to an unused limit.
    pub(crate) fn refund(&self, stored: Option<Stored>, now: u64, cost: u32) -> Stored {
        with_algorithm!(self, algorithm => {
            let (seen, _) = algorithm.see(stored.as_ref(), now);
            algorithm.store(algorithm.give(seen, cost), now)
        })
    }

    /// What is left, for a check that would be admitted.
    #[cfg(feature = "cluster")]
    pub(crate) fn look(&self, stored: Option<Stored>, now: u64) -> Figures {
        with_algorithm!(self, algorithm => {
            let (seen, _) = algorithm.see(stored.as_ref(), now);
            figures(algorithm, seen, 0)
        })
    }

    /// Consumes `cost` units that somebody else has admitted, as far as there are any left.
    pub(crate) fn charge(&self, stored: Option<Stored>, now: u64, cost: u32) -> Stored {
        with_algorithm!(self, algorithm => {
            let (seen, _) = algorithm.see(stored.as_ref(), now);
            let cost = u64::from(cost).min(algorithm.remaining(seen));
            let cost = u32::try_from(cost).expect("at most the cost, which is a u32");
            algorithm.store(algorithm.take(seen, cost), now)
        })
    }

    /// Until when a store has to keep what it wrote.
    pub(crate) fn reset_us(&self, stored: Stored, now: u64) -> u64 {
        with_algorithm!(self, algorithm => {
            let (seen, _) = algorithm.see(Some(&stored), now);
            algorithm.reset_us(seen)
        })
    }

    /// Retells a decision of a script, which has replied with what it saw before. `write` is the
    /// state afterwards, as it would be stored by a clock that shows `now`.
    pub(crate) fn retell(
        &self,
        reply: &[i64],
        admitted: bool,
        now: u64,
        cost: u32,
    ) -> Option<Outcome> {
        with_algorithm!(self, algorithm => {
            let seen = algorithm.read(reply)?;
            match (admitted, algorithm.admits(seen, cost)) {
                (true, true) => Some(admit(algorithm, seen, cost).told(algorithm, now)),
                (false, _) => Some(decline(algorithm, seen, cost, true).told(algorithm, now)),
                (true, false) => None,
            }
        })
    }

    /// Retells decisions on one key that a script has made one after the other. It has replied
    /// with what it saw before them.
    pub(crate) fn retell_bundle(
        &self,
        reply: &[i64],
        now: u64,
        costs: &[u32],
    ) -> Option<Vec<Outcome>> {
        with_algorithm!(self, algorithm => {
            let mut seen = algorithm.read(reply)?;
            let outcomes = costs.iter().map(|cost| {
                let ruling = if algorithm.admits(seen, *cost) {
                    admit(algorithm, seen, *cost)
                } else {
                    decline(algorithm, seen, *cost, true)
                };
                seen = ruling.after;
                ruling.told(algorithm, now)
            });
            Some(outcomes.collect())
        })
    }

    /// How many integers a script replies with for this rule.
    pub(crate) fn reply_len(&self) -> usize {
        match self {
            Self::Gcra(_) | Self::Fixed(_) => 2,
            Self::Sliding(_) => BUCKETS + 2,
        }
    }

    /// The rule for one of `nodes` that share this one: all of them together admit the same in the
    /// long run, and at once at most one unit more for each node, because a share is rounded up.
    pub(crate) fn share(&self, nodes: u32) -> Self {
        match self {
            Self::Gcra(gcra) => Self::Gcra(gcra.share(nodes)),
            Self::Fixed(window) => Self::Fixed(window.share(nodes)),
            Self::Sliding(window) => Self::Sliding(window.share(nodes)),
        }
    }
}

/// An outcome whose state is still that of its moment.
struct Ruling<S> {
    admitted: bool,
    figures: Figures,
    after: S,
    writes: bool,
}

impl<S: Copy> Ruling<S> {
    fn told<A: Algorithm<Seen = S>>(self, algorithm: &A, now: u64) -> Outcome {
        Outcome {
            admitted: self.admitted,
            figures: self.figures,
            write: self.writes.then(|| algorithm.store(self.after, now)),
        }
    }
}

#[inline]
fn decide<A: Algorithm>(
    algorithm: &A,
    stored: Option<&Stored>,
    now: u64,
    cost: u32,
) -> Ruling<A::Seen> {
    let (seen, is_ahead) = algorithm.see(stored, now);
    if algorithm.admits(seen, cost) {
        admit(algorithm, seen, cost)
    } else {
        decline(algorithm, seen, cost, is_ahead)
    }
}

#[inline]
fn admit<A: Algorithm>(algorithm: &A, seen: A::Seen, cost: u32) -> Ruling<A::Seen> {
    let after = algorithm.take(seen, cost);
    Ruling {
        admitted: true,
        figures: figures(algorithm, after, 0),
        after,
        writes: true,
    }
}

#[inline]
fn decline<A: Algorithm>(algorithm: &A, seen: A::Seen, cost: u32, writes: bool) -> Ruling<A::Seen> {
    let wait_us = if cost > algorithm.capacity() {
        NEVER_US
    } else {
        algorithm.wait_us(seen, cost)
    };
    Ruling {
        admitted: false,
        figures: figures(algorithm, seen, wait_us),
        after: seen,
        writes,
    }
}

#[inline]
fn figures<A: Algorithm>(algorithm: &A, seen: A::Seen, wait_us: u64) -> Figures {
    Figures {
        remaining: algorithm.remaining(seen),
        wait_us,
        reset_us: algorithm.reset_us(seen),
    }
}

#[cfg(test)]
mod tests;
