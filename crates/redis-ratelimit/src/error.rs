//! What can be wrong with a policy or a check: found before anything is asked.

use std::time::Duration;

use thiserror::Error;

use crate::{Doubt, Quota};

/// Why there is no such [`Policy`](crate::Policy) or [`Concurrency`](crate::Concurrency). The
/// message says what to change.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A name that can't stand in a header.
    #[error("the name is {name:?}: use 1 to 64 printable ASCII characters other than : \" and \\")]
    #[non_exhaustive]
    InvalidName {
        /// The name given.
        name: Box<str>,
    },

    /// Nothing would ever be admitted.
    #[error("the quota is 0, so nothing is ever admitted: allow 1 at least")]
    ZeroQuota,

    /// Nothing would ever be admitted.
    #[error("the burst is 0, so nothing is ever admitted: set it to 1 at least, or leave it out")]
    ZeroBurst,

    /// A window with a burst.
    #[error("a window admits its whole quota at once: leave the burst out, or use Policy::gcra")]
    BurstOfWindow,

    /// A period that is not one.
    #[error("the period is {period:?}: set it from 1 microsecond to 71 years")]
    #[non_exhaustive]
    PeriodOutOfRange {
        /// The period given.
        period: Duration,
    },

    /// A lease that is too short to be renewed in time, or too long to be of use.
    #[error("the lease is {lease:?}: set it from 100 milliseconds to a day")]
    #[non_exhaustive]
    LeaseOutOfRange {
        /// The lease given.
        lease: Duration,
    },

    /// More than one unit per microsecond.
    #[error("{} per {:?} is more than one per microsecond: count in larger units", quota.units, quota.period)]
    #[non_exhaustive]
    TooFast {
        /// The quota given.
        quota: Quota,
    },

    /// A burst that takes longer than 71 years to be had again.
    #[error("the burst of {quota:?} takes more than 71 years to be had again: set a smaller one")]
    #[non_exhaustive]
    TooLong {
        /// The quota given.
        quota: Quota,
    },

    /// A quota that scripts can't count exactly.
    #[error(
        "{quota:?} can't be counted exactly: choose units that divide the period, or a smaller burst"
    )]
    #[non_exhaustive]
    TooFine {
        /// The quota given.
        quota: Quota,
    },
}

/// Why there is no such [`Check`](crate::Check). It is permanent: asking again does not help.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A cost that the policy never admits.
    #[error("the cost is {cost}, and the policy never admits more than {limit} at once")]
    #[non_exhaustive]
    CostAboveLimit {
        /// The cost given.
        cost: u32,
        /// What the policy admits at once.
        limit: u32,
    },

    /// A check for nothing.
    #[error("the cost is 0: to look without taking, use Limiter::peek")]
    ZeroCost,

    /// A key that is too long.
    #[error("the key has {bytes} bytes, and at most 65536 are allowed: use a digest of it")]
    #[non_exhaustive]
    KeyTooLong {
        /// The length given.
        bytes: usize,
    },
}

impl CheckError {
    /// The cost is more than the policy ever admits at once.
    #[must_use]
    pub const fn is_cost_above_limit(&self) -> bool {
        matches!(self, Self::CostAboveLimit { .. })
    }

    /// The key is too long.
    #[must_use]
    pub const fn is_key_too_long(&self) -> bool {
        matches!(self, Self::KeyTooLong { .. })
    }
}

/// Why there is no [`Permit`](crate::Permit).
#[derive(Debug, Clone, Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// All slots are taken.
    #[error("all slots are taken")]
    #[non_exhaustive]
    Taken {
        /// Until the first lease ends, unless it is renewed or given back before.
        retry_after: Duration,
    },

    /// The store does not answer, and the failure policy is not to go on.
    #[error("the store does not answer, and without it no slot is given")]
    Unknown(Doubt),

    /// There are no such keys.
    #[error(transparent)]
    Key(#[from] CheckError),
}

/// What is neither a network nor an address.
#[cfg(feature = "tower")]
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{net:?} is neither a network as 10.0.0.0/8 nor an address")]
#[non_exhaustive]
pub struct ProxyError {
    /// The text given.
    pub net: Box<str>,
}
