//! The answer to a check.

use std::time::Duration;

use crate::Doubt;
use crate::core::{Figures, NEVER_US};

/// The answer to a [`Check`](crate::Check).
///
/// Most callers need no more than [`is_admitted`](Self::is_admitted) and
/// [`retry_after`](Self::retry_after).
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use = "what is not admitted must not be done"]
pub enum Decision {
    /// The units were taken.
    Allowed(State),
    /// Nothing was taken.
    Denied(State),
    /// The store did not answer in time or could not. The doubt says what happened, whether the
    /// units may have been taken, and what the declared [`FailurePolicy`](crate::FailurePolicy)
    /// makes of it.
    Unknown(Doubt),
}

impl Decision {
    /// Whether to go on: allowed, or unknown and the failure policy says so.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        match self {
            Self::Allowed(_) => true,
            Self::Denied(_) => false,
            Self::Unknown(doubt) => doubt.is_admitted(),
        }
    }

    /// The limit's state, if anybody could tell.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        match self {
            Self::Allowed(state) | Self::Denied(state) => Some(state),
            Self::Unknown(doubt) => doubt.local(),
        }
    }

    /// When to ask again: enough for a caller who is alone. `None` if admitted or unknown, and if
    /// it would be in vain.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        if self.is_admitted() {
            return None;
        }
        let state = self.state()?;
        (!state.is_permanent()).then_some(state.retry_after)
    }
}

/// A limit's state after a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// The most that is admitted at once.
    pub limit: u64,
    /// What is left now: from 0 to `limit`.
    pub remaining: u64,
    /// Until a check of the same cost is admitted, if nobody else asks. Zero unless denied, or
    /// to be denied in the case of [`Limiter::peek`](crate::Limiter::peek), and
    /// [`Duration::MAX`] if it never will be.
    pub retry_after: Duration,
    /// Until the limit is as if it had never been used.
    pub reset_after: Duration,
    /// Who has decided.
    pub source: Source,
}

impl State {
    /// Whether it was denied for good: more was asked for than is ever admitted at once, by all
    /// the checks for one key in a [`check_all`](crate::Limiter::check_all) together, or of this
    /// process' share as long as the store is away.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.retry_after == Duration::MAX
    }

    #[inline]
    pub(crate) fn new(limit: u32, figures: Figures, source: Source) -> Self {
        Self {
            limit: u64::from(limit),
            remaining: figures.remaining,
            retry_after: match figures.wait_us {
                NEVER_US => Duration::MAX,
                wait_us => Duration::from_micros(wait_us),
            },
            reset_after: Duration::from_micros(figures.reset_us),
            source,
        }
    }
}

/// Who has decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The store, which all processes share if it is Redis.
    Store,
    /// This process, which remembers a denial that still holds.
    DenyCache,
    /// This process, with its share of the limit, because the store does not answer.
    Local,
}

impl Source {
    /// The word for it in metrics: `store`, `deny_cache` or `local`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::DenyCache => "deny_cache",
            Self::Local => "local",
        }
    }
}
