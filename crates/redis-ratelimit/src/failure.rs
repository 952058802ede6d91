//! What holds when the store does not answer.

use std::num::NonZeroU32;

use crate::{Fault, State};

/// What to do with a check that the store does not answer in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailurePolicy {
    /// Admit it: availability first. While the store is away nothing is limited.
    Open,
    /// Refuse it: what the limit protects comes first.
    Closed,
    /// Decide in this process, on its share of the limit.
    ///
    /// All nodes together then admit at most one burst more than the limit in each outage, and
    /// one unit per node because shares are rounded up (a window gets longer by as much). A node's
    /// share is kept up to date with what the store admits to it, so that an outage is no fresh
    /// start.
    Local {
        /// How many processes share the limit. Count those there may be at most.
        nodes: NonZeroU32,
    },
}

/// What is known about a check that the store did not answer.
#[derive(Debug, Clone)]
pub struct Doubt {
    pub(crate) policy: FailurePolicy,
    pub(crate) cause: Fault,
    pub(crate) admitted: bool,
    pub(crate) local: Option<State>,
}

impl Doubt {
    /// What the failure policy makes of it.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.admitted
    }

    /// The failure policy that applies.
    #[must_use]
    pub fn policy(&self) -> FailurePolicy {
        self.policy
    }

    /// Why the store did not answer, and whether it may have taken the units all the same.
    #[must_use]
    pub fn cause(&self) -> &Fault {
        &self.cause
    }

    /// The state of this process' share, under [`FailurePolicy::Local`].
    #[must_use]
    pub fn local(&self) -> Option<&State> {
        self.local.as_ref()
    }
}
