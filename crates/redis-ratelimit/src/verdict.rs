//! The answer to several checks.

use std::time::Duration;

use crate::{Decision, Doubt, State};

/// The answer to [`Limiter::check_all`](crate::Limiter::check_all): all or none.
#[derive(Debug, Clone)]
#[must_use = "what is not admitted must not be done"]
pub struct Verdict {
    outcome: Outcome,
    states: Vec<State>,
    is_in_parts: bool,
}

#[derive(Debug, Clone)]
enum Outcome {
    Admitted,
    Denied { binding: usize },
    Unknown(Doubt),
}

impl Verdict {
    pub(crate) fn admitted(states: Vec<State>) -> Self {
        Self {
            outcome: Outcome::Admitted,
            states,
            is_in_parts: false,
        }
    }

    /// Denied by the limit that has the longest to wait for.
    pub(crate) fn denied(states: Vec<State>) -> Self {
        let waits = states.iter().map(|state| state.retry_after);
        let longest = waits.enumerate().max_by_key(|(_, wait)| *wait);
        let binding = longest.map_or(0, |(index, _)| index);
        Self {
            outcome: Outcome::Denied { binding },
            states,
            is_in_parts: false,
        }
    }

    pub(crate) fn unknown(doubt: Doubt, states: Vec<State>) -> Self {
        Self {
            outcome: Outcome::Unknown(doubt),
            states,
            is_in_parts: false,
        }
    }

    /// Each node of a cluster has decided on a part of it.
    #[cfg(feature = "cluster")]
    pub(crate) fn in_parts(mut self) -> Self {
        self.is_in_parts = true;
        self
    }

    /// Whether to go on: all checks are admitted, or nobody could tell and the failure policy
    /// says so.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        match &self.outcome {
            Outcome::Admitted => true,
            Outcome::Denied { .. } => false,
            Outcome::Unknown(doubt) => doubt.is_admitted(),
        }
    }

    /// Which of the checks binds: of those that were denied, the one to wait for longest.
    #[must_use]
    pub fn binding(&self) -> Option<usize> {
        match self.outcome {
            Outcome::Denied { binding } => Some(binding),
            Outcome::Admitted | Outcome::Unknown(_) => None,
        }
    }

    /// The state of each limit, in the order of the checks. Empty if nobody could tell.
    #[must_use]
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// Whether all checks were decided in one step, so that nobody could see some of them taken and
    /// others not.
    ///
    /// They are, except in a cluster if they are for different keys: these are on different nodes,
    /// each of which decides on its own. It is all or none there too, but what was taken for a
    /// verdict that denies is given back by a second call. Until then it is missing to others; if
    /// the process dies in between, or its caller does not wait, it is not given back.
    #[must_use]
    pub fn is_atomic(&self) -> bool {
        !self.is_in_parts
    }

    /// What is in doubt, if the store did not answer.
    #[must_use]
    pub fn doubt(&self) -> Option<&Doubt> {
        match &self.outcome {
            Outcome::Unknown(doubt) => Some(doubt),
            Outcome::Admitted | Outcome::Denied { .. } => None,
        }
    }

    /// When to ask again: enough for a caller who is alone. `None` if admitted, if nobody could
    /// tell, and if it would be in vain.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        if self.is_admitted() {
            return None;
        }
        let last = self.states.iter().max_by_key(|state| state.retry_after)?;
        (!last.is_permanent()).then_some(last.retry_after)
    }
}

/// The verdict on one check.
impl From<Decision> for Verdict {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Allowed(state) => Self::admitted(vec![state]),
            Decision::Denied(state) => Self::denied(vec![state]),
            Decision::Unknown(doubt) => {
                let states = doubt.local().copied().into_iter().collect();
                Self::unknown(doubt, states)
            }
        }
    }
}
