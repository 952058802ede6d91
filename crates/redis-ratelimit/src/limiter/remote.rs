//! A limiter whose store is on the other side of a network.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::breaker::{Breaker, Pass, Probe};
use super::builder::LimiterBuilder;
use super::coalescer::Coalescer;
use super::deny_cache::{DenyCache, LocalClock};
use super::{decision, requests, verdict};
use crate::core::{Figures, Outcome, Rule, Slot, Slots};
use crate::store::{Answer, Request};
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
    breaker: Arc<Breaker>,
    /// This process' shares, under [`FailurePolicy::Local`].
    local: MemoryStore,
    clock: LocalClock,
    coalescer: Option<Arc<Coalescer>>,
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
        let coalescer = || Coalescer::new(store.clone(), clock, budget);
        Self {
            coalescer: settings.coalesces.then(coalescer),
            denials: settings.denials.map(DenyCache::new),
            clock,
            store,
            budget,
            on_failure,
            breaker: Arc::new(Breaker::new(Instant::now())),
            local: MemoryStore::new(),
        }
    }

    pub(super) async fn check(&self, check: Check<'_>) -> Decision {
        let request = Request::from(check);
        if let Some(denial) = self.known_denial(request) {
            return decision(check, denial, Source::DenyCache);
        }
        match self
            .ask(async |deadline| self.take(check, deadline).await)
            .await
        {
            Ok(outcome) => {
                if outcome.admitted {
                    self.keep_local_share(&[request]);
                } else if let Some(denials) = &self.denials {
                    denials.remember(request, &outcome, self.clock.now_us());
                }
                decision(check, outcome, Source::Store)
            }
            Err(cause) => Decision::Unknown(self.doubt_one(check, cause)),
        }
    }

    async fn take(&self, check: Check<'_>, deadline: Instant) -> Result<Outcome, Fault> {
        match (&self.coalescer, check.policy().rule()) {
            (Some(coalescer), Rule::Gcra(_)) => coalescer.take(check, deadline).await,
            _ => {
                self.store
                    .take(check.into(), self.clock.now_us(), deadline)
                    .await
            }
        }
    }

    fn known_denial(&self, request: Request<'_>) -> Option<Outcome> {
        let denials = self.denials.as_ref()?;
        denials.denial(request, self.clock.now_us())
    }

    pub(super) async fn check_all(&self, checks: &[Check<'_>]) -> Verdict {
        let requests = match checks {
            [] => return Verdict::admitted(Vec::new()),
            [check] => return self.check(*check).await.into(),
            _ => requests(checks),
        };
        let asked = self.ask(async |deadline| self.store.take_all(&requests, deadline).await);
        match asked.await {
            Ok(answer) => {
                if answer.admitted {
                    // By their own costs: those of `requests` include earlier ones.
                    let own = checks.iter().map(|check| Request::from(*check));
                    self.keep_local_share(&own.collect::<Vec<_>>());
                }
                verdict(checks, answer, Source::Store)
            }
            Err(cause) => self.verdict_in_doubt(checks, &requests, cause),
        }
    }

    pub(super) async fn peek(&self, check: Check<'_>) -> Result<Figures, Fault> {
        self.ask(async |deadline| self.store.peek(check.into(), deadline).await)
            .await
    }

    pub(super) async fn refund(&self, check: Check<'_>) -> Result<(), Fault> {
        let _forget = Forget(self, check);
        self.ask(async |deadline| self.store.refund(check.into(), deadline).await)
            .await
    }

    pub(super) async fn reset(&self, check: Check<'_>) -> Result<(), Fault> {
        let _forget = Forget(self, check);
        self.ask(async |deadline| self.store.reset(check.into(), deadline).await)
            .await
    }

    pub(super) async fn acquire(
        &self,
        id: Id<'_>,
        slots: Slots,
        permit: u128,
        bound: Duration,
    ) -> Result<Slot, Fault> {
        self.ask_within(bound.min(self.budget), async |deadline| {
            self.store.acquire(id, slots, permit, deadline).await
        })
        .await
    }

    /// Not through the breaker: a slot that is not given back is lost for a lease.
    pub(super) async fn release(
        &self,
        id: Id<'_>,
        slots: Slots,
        permit: u128,
    ) -> Result<(), Fault> {
        let deadline = Instant::now() + self.budget;
        self.store.release(id, slots, permit, deadline).await
    }

    pub(super) fn on_failure(&self) -> FailurePolicy {
        self.on_failure
    }

    pub(super) fn local(&self) -> &MemoryStore {
        &self.local
    }

    async fn ask<T>(
        &self,
        request: impl AsyncFnOnce(Instant) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.ask_within(self.budget, request).await
    }

    /// Asks the store, unless the breaker says that it would be in vain.
    async fn ask_within<T>(
        &self,
        budget: Duration,
        request: impl AsyncFnOnce(Instant) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let now = Instant::now();
        match self.breaker.pass(now) {
            Pass::Ask => {}
            Pass::Refuse => return Err(Fault::new(FaultKind::BreakerOpen, Applied::No)),
            Pass::RefuseAndProbe => {
                self.probe();
                return Err(Fault::new(FaultKind::BreakerOpen, Applied::No));
            }
        }
        let answer = request(now + budget).await;
        match &answer {
            Err(fault) => {
                observe::fault(fault);
                if !fault.counts_as_outage() {
                    self.breaker.succeeded(Instant::now());
                } else if self.breaker.failed(Instant::now()) {
                    observe::breaker(true);
                }
            }
            Ok(_) => self.breaker.succeeded(Instant::now()),
        }
        answer
    }

    fn probe(&self) {
        let (store, bound) = (self.store.clone(), self.budget);
        let probe = Probe::of(&self.breaker);
        tokio::spawn(async move {
            if store.ping_until(Instant::now() + bound).await.is_ok() {
                probe.succeeded();
                observe::breaker(false);
            }
        });
    }

    fn doubt_one(&self, check: Check<'_>, cause: Fault) -> Doubt {
        let FailurePolicy::Local { nodes } = self.on_failure else {
            return self.doubt(cause, None);
        };
        let request = Request::from(check);
        let share = request.rule.share(nodes.get());
        let outcome = self.local.take(Request {
            rule: &share,
            ..request
        });
        let state = State::new(share.capacity(), outcome.figures, Source::Local);
        self.doubt(cause, Some((outcome.admitted, Some(state))))
    }

    fn verdict_in_doubt(
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
