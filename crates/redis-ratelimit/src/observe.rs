//! What can be seen from outside: counters and events. Nothing of a key is in them.
//!
//! Without the features `metrics` and `tracing` all of this is nothing.

#[cfg(feature = "redis")]
use crate::Fault;
use crate::{Decision, Verdict};

/// `ratelimit_decisions_total{policy, outcome, source}`
#[inline]
pub(crate) fn decided(policy: &str, decision: &Decision) {
    let source = decision
        .state()
        .map_or("none", |state| state.source.as_str());
    let outcome = match decision {
        Decision::Allowed(_) => "allowed",
        Decision::Denied(_) => "denied",
        Decision::Unknown(doubt) => in_doubt(doubt.is_admitted()),
    };
    count_decision(policy, outcome, source);
}

/// As [`decided`], once for each policy.
pub(crate) fn decided_all<'a>(policies: impl Iterator<Item = &'a str>, verdict: &Verdict) {
    let outcome = match (verdict.doubt(), verdict.is_admitted()) {
        (None, true) => "allowed",
        (None, false) => "denied",
        (Some(_), admitted) => in_doubt(admitted),
    };
    let source = verdict
        .states()
        .first()
        .map_or("none", |state| state.source.as_str());
    for policy in policies {
        count_decision(policy, outcome, source);
    }
}

fn in_doubt(admitted: bool) -> &'static str {
    if admitted {
        "unknown_admitted"
    } else {
        "unknown_refused"
    }
}

#[cfg(feature = "metrics")]
fn count_decision(policy: &str, outcome: &'static str, source: &'static str) {
    metrics::counter!(
        "ratelimit_decisions_total",
        "policy" => policy.to_owned(), "outcome" => outcome, "source" => source,
    )
    .increment(1);
}

#[cfg(not(feature = "metrics"))]
fn count_decision(_policy: &str, _outcome: &'static str, _source: &'static str) {}

/// `ratelimit_faults_total{kind, applied}`
#[cfg(feature = "redis")]
pub(crate) fn fault(fault: &Fault) {
    #[cfg(feature = "metrics")]
    metrics::counter!(
        "ratelimit_faults_total",
        "kind" => fault.kind().as_str(), "applied" => fault.applied().as_str(),
    )
    .increment(1);
    #[cfg(feature = "tracing")]
    tracing::debug!(
        kind = fault.kind().as_str(),
        applied = fault.applied().as_str(),
        cause = std::error::Error::source(fault),
        "the rate limit store did not answer"
    );
    let _ = fault;
}

/// `ratelimit_breaker_open`: how many are, since a cluster has several; and a warning when one opens
/// and a notice when it closes.
#[cfg(feature = "redis")]
pub(crate) fn breaker(is_open: bool) {
    open_breakers(if is_open { 1.0 } else { -1.0 });
    #[cfg(feature = "tracing")]
    if is_open {
        tracing::warn!("the rate limit store is not asked for a while: it fails");
    } else {
        tracing::info!("the rate limit store is back");
    }
}

/// `ratelimit_breaker_open`, also when one goes that is open.
#[cfg(feature = "redis")]
pub(crate) fn open_breakers(change: f64) {
    #[cfg(feature = "metrics")]
    metrics::gauge!("ratelimit_breaker_open").increment(change);
    let _ = change;
}

/// `ratelimit_connections_total`
#[cfg(feature = "redis")]
pub(crate) fn connected() {
    #[cfg(feature = "metrics")]
    metrics::counter!("ratelimit_connections_total").increment(1);
}

/// `ratelimit_state_losses_total`: each may have added one burst.
#[cfg(feature = "redis")]
pub(crate) fn state_lost() {
    #[cfg(feature = "metrics")]
    metrics::counter!("ratelimit_state_losses_total").increment(1);
    #[cfg(feature = "tracing")]
    tracing::warn!("the rate limit store is another server than before: limits may start anew");
}

/// `ratelimit_batch_checks`
#[cfg(feature = "redis")]
pub(crate) fn batch(checks: usize) {
    #[cfg(feature = "metrics")]
    if let Ok(checks) = u32::try_from(checks) {
        metrics::histogram!("ratelimit_batch_checks").record(f64::from(checks));
    }
    let _ = checks;
}
