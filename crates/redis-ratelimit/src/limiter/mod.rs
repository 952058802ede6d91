//! The limiter: a store, and what holds when it does not answer.

#[cfg(feature = "cluster")]
mod all;
mod builder;
#[cfg(feature = "redis")]
mod coalescer;
#[cfg(feature = "redis")]
mod deny_cache;
#[cfg(feature = "redis")]
mod lane;
#[cfg(feature = "redis")]
mod lease;
mod operations;
#[cfg(feature = "cluster")]
mod parts;
mod permit;
#[cfg(feature = "redis")]
mod remote;

use std::collections::HashMap;
#[cfg(feature = "redis")]
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

pub use self::builder::LimiterBuilder;
pub use self::permit::Permit;
#[cfg(feature = "redis")]
use self::remote::Remote;
use crate::core::Figures;
use crate::store::{Answer, Request};
use crate::{Check, Decision, MemoryStore, Source, State, Verdict, observe};

/// Decides who may do how much.
///
/// A clone is another handle to the same limiter: its store, connection and memory of denials are
/// shared. Make one per process and clone it.
///
/// # Examples
///
/// ```
/// use redis_ratelimit::{Check, Limiter, Policy, Quota};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::memory();
/// let api = Policy::gcra("api", Quota::per_second(10).burst(2))?;
///
/// for expected in [true, true, false] {
///     let decision = limiter.check(Check::new(&api, "user:42")?).await;
///     assert_eq!(decision.is_admitted(), expected);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Limiter {
    backend: Backend,
}

#[derive(Debug, Clone)]
enum Backend {
    Memory(MemoryStore),
    #[cfg(feature = "redis")]
    Redis(Arc<Remote>),
}

impl Limiter {
    /// A limiter in this process' memory, for a million keys.
    #[must_use]
    pub fn memory() -> Self {
        Self::builder().build()
    }

    /// A limiter with another store or other settings.
    pub fn builder() -> LimiterBuilder {
        LimiterBuilder::new()
    }

    /// Asks for the units of a check, and takes them if they are to be had.
    ///
    /// It never fails: a store that does not answer within the budget makes the decision an
    /// [`Unknown`](Decision::Unknown) one.
    ///
    /// # Cancel safety
    ///
    /// Before it is polled nothing is asked. Dropped later, the units may have been taken.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn would keep the check twice"
    )]
    pub fn check(&self, check: Check<'_>) -> impl Future<Output = Decision> + Send {
        async move {
            match &self.backend {
                Backend::Memory(store) => taken(store, check),
                // In a box, so that the future of the usual case stays a small one.
                #[cfg(feature = "redis")]
                Backend::Redis(remote) => {
                    let decision = match remote.remembered(check) {
                        Some(denial) => denial,
                        None => Box::pin(remote.check(check)).await,
                    };
                    observe::decided(check.policy().name(), &decision);
                    decision
                }
            }
        }
    }

    /// Asks for the units of several checks, and takes all of them or none, in one round trip.
    ///
    /// The policies may be of different kinds, and the keys different ones. If a policy and key
    /// come up twice, their costs add up; if the sum is above the limit, they are denied for good
    /// ([`State::is_permanent`]). Without checks everything is admitted.
    ///
    /// In a cluster different keys are on different nodes: then it is a round trip more if one of
    /// them denies, and [`Verdict::is_atomic`] tells.
    ///
    /// # Cancel safety
    ///
    /// Before it is polled nothing is asked. Dropped later, the units may have been taken: all or
    /// none of them, or in a cluster those of some keys.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_ratelimit::{Check, Limiter, Policy, Quota};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let per_user = Policy::gcra("user", Quota::per_minute(2))?;
    /// let per_address = Policy::sliding_window("address", Quota::per_minute(100))?;
    /// let limiter = Limiter::memory();
    ///
    /// let checks = [Check::new(&per_user, "42")?, Check::new(&per_address, "192.0.2.7")?];
    /// assert!(limiter.check_all(&checks).await.is_admitted());
    /// assert!(limiter.check_all(&checks).await.is_admitted());
    ///
    /// let denied = limiter.check_all(&checks).await;
    /// assert_eq!(denied.binding(), Some(0));
    /// assert_eq!(denied.states()[1].remaining, 98, "the address paid nothing for it");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn check_all(&self, checks: &[Check<'_>]) -> Verdict {
        match &self.backend {
            Backend::Memory(store) => in_memory(store, checks),
            #[cfg(feature = "redis")]
            Backend::Redis(remote) => {
                let verdict = Box::pin(remote.check_all(checks)).await;
                observe::decided_all(names(checks), &verdict);
                verdict
            }
        }
    }

    /// As [`check_all`](Self::check_all) if the store is in this process, `None` if it is not.
    #[cfg(feature = "tower")]
    pub(crate) fn check_all_at_once(&self, checks: &[Check<'_>]) -> Option<Verdict> {
        match &self.backend {
            Backend::Memory(store) => Some(in_memory(store, checks)),
            #[cfg(feature = "redis")]
            Backend::Redis(_) => None,
        }
    }

    /// Asks for the units of a check, and waits for them if that takes no longer than `patience`.
    ///
    /// It sleeps for exactly as long as the limit says and asks again: once if nobody else does.
    /// Callers that wait for one key are not served in the order in which they came.
    ///
    /// # Cancel safety
    ///
    /// As [`check`](Self::check). While it sleeps nothing has been taken.
    pub async fn until_ready(&self, check: Check<'_>, patience: Duration) -> Decision {
        let deadline = Instant::now().checked_add(patience);
        loop {
            let decision = self.check(check).await;
            let Some(retry_after) = decision.retry_after() else {
                return decision;
            };
            // A policy remembers for 71 years at most.
            let again = Instant::now() + retry_after;
            if deadline.is_some_and(|deadline| again > deadline) {
                return decision;
            }
            sleep_until(again).await;
        }
    }
}

#[inline]
fn taken(store: &MemoryStore, check: Check<'_>) -> Decision {
    let (admitted, figures) = store.take(check.into());
    let decision = decision(check, admitted, figures, Source::Store);
    observe::decided(check.policy().name(), &decision);
    decision
}

fn in_memory(store: &MemoryStore, checks: &[Check<'_>]) -> Verdict {
    let verdict = verdict(checks, store.take_all(&requests(checks)), Source::Store);
    observe::decided_all(names(checks), &verdict);
    verdict
}

fn names<'a>(checks: &[Check<'a>]) -> impl Iterator<Item = &'a str> {
    checks.iter().map(|check| check.policy().name())
}

/// Up to so many checks are compared with each other; of more it is kept what they have asked for.
const COMPARED_MAX: usize = 16;

/// The checks as a store wants them. Where two count on the same state, the later one's cost
/// includes that of the earlier one: it is admitted if both are, and writes what both have taken.
fn requests<'a>(checks: &[Check<'a>]) -> Vec<Request<'a>> {
    let mut requests: Vec<_> = checks.iter().map(|check| Request::from(*check)).collect();
    if checks.len() <= COMPARED_MAX {
        for (index, check) in checks.iter().enumerate() {
            let earlier = checks[..index]
                .iter()
                .filter(|other| other.is_same_limit(check));
            let cost = &mut requests[index].cost;
            *cost = earlier.fold(*cost, |sum, other| sum.saturating_add(other.units()));
        }
    } else {
        let mut sums = HashMap::with_capacity(checks.len());
        for (check, request) in checks.iter().zip(&mut requests) {
            let sum = sums
                .entry((check.key(), check.policy().name()))
                .or_insert(0_u32);
            *sum = sum.saturating_add(check.units());
            request.cost = *sum;
        }
    }
    requests
}

#[inline]
fn decision(check: Check<'_>, admitted: bool, figures: Figures, source: Source) -> Decision {
    let state = State::new(check.policy().limit(), figures, source);
    if admitted {
        Decision::Allowed(state)
    } else {
        Decision::Denied(state)
    }
}

fn verdict(checks: &[Check<'_>], answer: Answer, source: Source) -> Verdict {
    let figures = checks.iter().zip(answer.figures);
    let states =
        figures.map(|(check, figures)| State::new(check.policy().limit(), figures, source));
    if answer.admitted {
        Verdict::admitted(states.collect())
    } else {
        Verdict::denied(states.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Policy, Quota};

    #[test]
    fn a_limit_that_is_asked_for_again_costs_what_was_asked_before_too_however_many_there_are() {
        let policies =
            ["a", "b"].map(|name| Policy::gcra(name, Quota::per_second(1_000).burst(u32::MAX)));
        let policies = policies.map(|policy| policy.expect("a quota"));
        for count in [1, 2, COMPARED_MAX, COMPARED_MAX + 1, 1_000] {
            let ids = |nth: usize| (nth % 2, ["x", "y", "z"][nth % 3]);
            let units = |nth: usize| u32::try_from(nth + 1).expect("a small number");
            let checks: Result<Vec<_>, _> = (0..count)
                .map(|nth| Check::new(&policies[ids(nth).0], ids(nth).1)?.cost(units(nth)))
                .collect();
            let requests = requests(&checks.expect("valid ones"));
            for (nth, request) in requests.iter().enumerate() {
                let same = (0..=nth).filter(|other| ids(*other) == ids(nth));
                assert_eq!(
                    request.cost,
                    same.map(units).sum::<u32>(),
                    "{nth} of {count}"
                );
            }
            assert_eq!(requests.len(), count);
        }
        let most = Check::new(&policies[0], "x").and_then(|check| check.cost(u32::MAX));
        let requests = requests(&[most.expect("a valid one"); COMPARED_MAX + 1]);
        assert!(requests.iter().all(|request| request.cost == u32::MAX));
    }
}
