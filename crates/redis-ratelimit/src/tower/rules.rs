//! Which limits a request has, and what they say.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use super::Headers;
use crate::{Check, CheckError, Limiter, Policy, Verdict};

/// The limiter, and how to find the limits of a request.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    limiter: Limiter,
    each: Arc<Vec<Rule>>,
    pub(super) headers: Headers,
}

#[derive(Clone)]
struct Rule {
    policy: Policy,
    key: Arc<FindKey>,
}

type FindKey = dyn Fn(&Parts) -> Option<Vec<u8>> + Send + Sync;

/// The limits of one request.
#[derive(Debug)]
pub(super) struct Limits {
    pub(super) limits: Vec<(Policy, Vec<u8>)>,
}

impl Rules {
    pub(super) fn new(limiter: Limiter) -> Self {
        Self {
            limiter,
            each: Arc::default(),
            headers: Headers::Draft11,
        }
    }

    pub(super) fn add(
        &mut self,
        policy: Policy,
        key: impl Fn(&Parts) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) {
        let key = Arc::new(key);
        Arc::make_mut(&mut self.each).push(Rule { policy, key });
    }

    pub(super) fn of(&self, request: &Parts) -> Limits {
        let limits = self.each.iter().filter_map(|rule| {
            let key = (rule.key)(request)?;
            Some((rule.policy.clone(), key))
        });
        Limits {
            limits: limits.collect(),
        }
    }

    /// Decides at once if the limiter can.
    pub(super) fn try_decide(&self, limits: &Limits) -> Result<Option<Verdict>, CheckError> {
        Ok(self.limiter.check_all_at_once(&limits.checks()?))
    }

    pub(super) fn decide(
        &self,
        limits: Limits,
    ) -> impl Future<Output = (Limits, Result<Verdict, CheckError>)> + Send + use<> {
        let limiter = self.limiter.clone();
        async move {
            let verdict = match limits.checks() {
                Ok(checks) => Ok(limiter.check_all(&checks).await),
                Err(error) => Err(error),
            };
            (limits, verdict)
        }
    }
}

impl Limits {
    fn checks(&self) -> Result<Vec<Check<'_>>, CheckError> {
        let limits = self.limits.iter();
        limits
            .map(|(policy, key)| Check::new(policy, key))
            .collect()
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
