//! A limiter whose store is on the other side of a network.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::builder::LimiterBuilder;
use super::coalescer::{self, Coalescer};
use super::deny_cache::{DenyCache, LocalClock};
use super::lane::Lanes;
use super::{decision, requests, verdict};
use crate::core::{Figures, Slot, Slots};
use crate::store::{Answer, Budget, Probe, Request, Told};
use crate::table::Id;
use crate::{
    Applied, Check, Decision, Doubt, FailurePolicy, Fault, FaultKind, MemoryStore, RedisStore,
    Source, State, Verdict, observe,
};

/// In less no answer can be expected, and for more nobody waits.
const BUDGET: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3_600);

/// A store, and what stands in when it does not answer.
#[derive(Debug)]
pub(super) struct Remote {
    store: RedisStore,
    budget: Duration,
    on_failure: FailurePolicy,
    lanes: Lanes,
    /// This process' shares, under [`FailurePolicy::Local`].
    local: MemoryStore,
    clock: LocalClock,
    denials: Option<DenyCache>,
}

impl Remote {
    pub(super) fn new(
        store: RedisStore,
        on_failure: FailurePolicy,
        settings: &LimiterBuilder,
    ) -> Self {
        let (clock, budget) = (
            LocalClock::start(),
            settings.budget.clamp(*BUDGET.start(), *BUDGET.end()),
        );
        let lanes = Lanes::new(&store, |breaker| {
            let coalescer = || Coalescer::new(store.clone(), clock, budget, Arc::clone(breaker));
            settings.coalesces.then(coalescer)
        });
        Self {
            denials: settings.denials.map(DenyCache::new),
            clock,
            store,
            budget,
            on_failure,
            lanes,
            local: MemoryStore::new(),
        }
    }

    /// The denial of a check that still holds.
    pub(super) fn remembered(&self, check: Check<'_>) -> Option<Decision> {
        let denials = self.denials.as_ref()?;
        let denial = denials.denial(check.into(), || self.clock.now_us())?;
        Some(decision(
            check,
            denial.admitted,
            denial.figures,
            Source::DenyCache,
        ))
    }

    /// Asks the store, whatever is remembered.
    pub(super) async fn check(&self, check: Check<'_>) -> Decision {
        let request = Request::from(check);
        let told = self.take(&[request]).await;
        match told.map(|outcomes| outcomes.first) {
            Ok(outcome) => {
                if outcome.admitted {
                    self.keep_local_share(&[request]);
                } else if let Some(denials) = &self.denials {
                    denials.remember(request, &outcome, self.clock.now_us());
                }
                decision(check, outcome.admitted, outcome.figures, Source::Store)
            }
            Err(cause) => Decision::Unknown(self.doubt_one(check, cause)),
        }
    }

    pub(super) async fn check_all(&self, checks: &[Check<'_>]) -> Verdict {
        let requests = match checks {
            [] => return Verdict::admitted(Vec::new()),
            [check] => {
                return match self.remembered(*check) {
                    Some(denial) => denial.into(),
                    None => self.check(*check).await.into(),
                };
            }
            _ => requests(checks),
        };
        #[cfg(feature = "cluster")]
        if let Some(parts) = self.parts(&requests) {
            return Box::pin(self.check_parts(checks, &requests, &parts)).await;
        }
        match self.take(&requests).await {
            Ok(outcomes) => {
                let answer = Answer {
                    admitted: outcomes.iter().all(|outcome| outcome.admitted),
                    figures: outcomes.iter().map(|outcome| outcome.figures).collect(),
                };
                if answer.admitted {
                    self.keep_local_shares(checks);
                }
                verdict(checks, answer, Source::Store)
            }
            Err(cause) => self.verdict_in_doubt(checks, &requests, cause),
        }
    }

    /// Takes the units of all requests or of none, together with others who ask for the same.
    pub(super) async fn take(&self, requests: &[Request<'_>]) -> Told {
        let order = self.store.order(requests).ok_or_else(nothing_asked)?;
        let slot = self.store.slot_of(&order.first.key);
        let budget = self.budget(slot, self.budget)?;
        let several: Vec<_>;
        let rules = if let [one] = requests {
            std::slice::from_ref(one.rule)
        } else {
            several = requests.iter().map(|request| *request.rule).collect();
            several.as_slice()
        };
        let told = if let Some(coalescer) = self.lanes.of(slot).coalescer(rules.len()) {
            coalescer.take(slot, rules, order, &budget).await
        } else {
            let (now, orders) = (self.clock.now_us(), [order]);
            // In a box, so that the future of those who only wait stays a small one.
            let told = Box::pin(self.store.take(rules, &orders, now, &budget));
            told.await.and_then(coalescer::one)
        };
        observed(told)
    }

    pub(super) async fn peek(&self, check: Check<'_>) -> Result<Figures, Fault> {
        let request = Request::from(check);
        let budget = self.budget(self.store.slot(request.id), self.budget)?;
        observed(self.store.peek(request, &budget).await)
    }

    pub(super) async fn refund(&self, check: Check<'_>) -> Result<(), Fault> {
        let _forget = Forget(self, check);
        let request = Request::from(check);
        let budget = self.budget(self.store.slot(request.id), self.budget)?;
        observed(self.store.refund(request, &budget).await)
    }

    pub(super) async fn reset(&self, check: Check<'_>) -> Result<(), Fault> {
        let _forget = Forget(self, check);
        let request = Request::from(check);
        let budget = self.budget(self.store.slot(request.id), self.budget)?;
        observed(self.store.reset(request, &budget).await)
    }

    /// Within `bound`, or within the budget if that is shorter.
    pub(super) async fn acquire(
        &self,
        id: Id<'_>,
        slots: Slots,
        permit: u128,
        bound: Duration,
    ) -> Result<Slot, Fault> {
        let budget = self.budget(self.store.slot(id), bound.min(self.budget))?;
        observed(self.store.acquire(id, slots, permit, &budget).await)
    }

    /// Not through the breaker: a slot that is not given back is lost for a lease.
    pub(super) async fn release(
        &self,
        id: Id<'_>,
        slots: Slots,
        permit: u128,
    ) -> Result<(), Fault> {
        let budget = Budget::uncounted(Instant::now() + self.budget);
        self.store.release(id, slots, permit, &budget).await
    }

    pub(super) fn on_failure(&self) -> FailurePolicy {
        self.on_failure
    }

    pub(super) fn local(&self) -> &MemoryStore {
        &self.local
    }

    #[cfg(feature = "cluster")]
    pub(super) fn store(&self) -> &RedisStore {
        &self.store
    }

    #[cfg(feature = "cluster")]
    pub(super) fn now_us(&self) -> u64 {
        self.clock.now_us()
    }

    /// To ask the store with, unless the breaker says that it would be in vain.
    fn budget(&self, slot: Option<u16>, bound: Duration) -> Result<Budget, Fault> {
        let probe = |probe| self.probe(slot, probe);
        observed(self.lanes.of(slot).budget(bound, probe))
    }

    fn probe(&self, slot: Option<u16>, probe: Probe) {
        let (store, bound) = (self.store.clone(), self.budget);
        tokio::spawn(async move {
            let deadline = Instant::now() + bound;
            if store.ping_until(slot, deadline).await.is_ok() {
                probe.succeeded();
            }
        });
    }

    fn doubt_one(&self, check: Check<'_>, cause: Fault) -> Doubt {
        let FailurePolicy::Local { nodes } = self.on_failure else {
            return self.doubt(cause, None);
        };
        let request = Request::from(check);
        let share = request.rule.share(nodes.get());
        let (admitted, figures) = self.local.take(Request {
            rule: &share,
            ..request
        });
        let state = State::new(share.capacity(), figures, Source::Local);
        self.doubt(cause, Some((admitted, Some(state))))
    }

    pub(super) fn verdict_in_doubt(
        &self,
        checks: &[Check<'_>],
        requests: &[Request<'_>],
        cause: Fault,
    ) -> Verdict {
        let FailurePolicy::Local { nodes } = self.on_failure else {
            return Verdict::unknown(self.doubt(cause, None), Vec::new());
        };
        let shares: Vec<_> = checks
            .iter()
            .map(|check| check.policy().rule().share(nodes.get()))
            .collect();
        let requests = requests.iter().zip(&shares);
        let requests: Vec<_> = requests
            .map(|(request, share)| Request {
                rule: share,
                ..*request
            })
            .collect();
        let Answer { admitted, figures } = self.local.take_all(&requests);
        let states = shares.iter().zip(figures);
        let states: Vec<_> = states
            .map(|(share, figures)| State::new(share.capacity(), figures, Source::Local))
            .collect();
        let binding = states.iter().max_by_key(|state| state.retry_after).copied();
        Verdict::unknown(self.doubt(cause, Some((admitted, binding))), states)
    }

    /// What the failure policy makes of it; `local` is what this process' share says.
    pub(super) fn doubt(&self, cause: Fault, local: Option<(bool, Option<State>)>) -> Doubt {
        let admitted = match self.on_failure {
            FailurePolicy::Open => true,
            FailurePolicy::Closed => false,
            FailurePolicy::Local { .. } => local.is_some_and(|(admitted, _)| admitted),
        };
        Doubt {
            policy: self.on_failure,
            cause,
            admitted,
            local: local.and_then(|(_, state)| state),
        }
    }

    pub(super) fn keep_local_shares(&self, checks: &[Check<'_>]) {
        // By their own costs: those of the requests include earlier ones.
        let own = checks.iter().map(|check| Request::from(*check));
        self.keep_local_share(&own.collect::<Vec<_>>());
    }

    /// So that an outage does not begin with a share that looks unused.
    fn keep_local_share(&self, admitted: &[Request<'_>]) {
        if let FailurePolicy::Local { nodes } = self.on_failure {
            for request in admitted {
                let share = request.rule.share(nodes.get());
                self.local.charge(Request {
                    rule: &share,
                    ..*request
                });
            }
        }
    }
}

fn observed<T>(answer: Result<T, Fault>) -> Result<T, Fault> {
    if let Err(fault) = &answer {
        observe::fault(fault);
    }
    answer
}

/// There is no order without a limit.
fn nothing_asked() -> Fault {
    Fault::new(FaultKind::UnexpectedReply, Applied::No)
}

/// Forgets a denial when what may have brought its state down is over, also because the caller did
/// not wait for it.
struct Forget<'a>(&'a Remote, Check<'a>);

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(denials) = &self.0.denials {
            denials.forget(self.1.into());
        }
    }
}
