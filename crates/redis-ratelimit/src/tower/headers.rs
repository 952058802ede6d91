//! The header fields that tell a client where it stands.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::core::Rule;
use crate::{Policy, State, Verdict};

/// Which header fields tell a client where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Headers {
    /// `RateLimit-Policy` and `RateLimit` as in draft-ietf-httpapi-ratelimit-headers-11, of
    /// 2026-05-23: `"user";q=100;w=60` and `"user";r=50;t=30`, for each policy that the request
    /// is limited by.
    #[default]
    Draft11,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, the last in seconds from now, of the policy
    /// that has the least left.
    XRateLimit,
    /// All of them.
    Both,
    /// None, only `Retry-After` where a request is refused.
    None,
}

/// The largest integer of a structured field, RFC 9651, section 3.3.1.
const INTEGER_MAX: u64 = 999_999_999_999_999;

impl Headers {
    /// Adds the fields. Other limiters may have spoken already, so lists are added to.
    pub(super) fn append(
        self,
        headers: &mut HeaderMap,
        limits: &[(Policy, Vec<u8>)],
        verdict: &Verdict,
    ) {
        if matches!(self, Self::Draft11 | Self::Both) && !limits.is_empty() {
            let policies = limits.iter().map(|(policy, _)| policy);
            append(
                headers,
                "ratelimit-policy",
                &list(policies.clone().map(policy_item)),
            );
            // Without states nobody can tell, and a field that is not there says so.
            if !verdict.states().is_empty() {
                let items = policies
                    .zip(verdict.states())
                    .map(|(policy, state)| limit_item(policy, state));
                append(headers, "ratelimit", &list(items));
            }
        }
        let least = verdict.states().iter().min_by_key(|state| state.remaining);
        if let (Self::XRateLimit | Self::Both, Some(state)) = (self, least) {
            for (name, number) in [
                ("x-ratelimit-limit", state.limit),
                ("x-ratelimit-remaining", state.remaining),
                ("x-ratelimit-reset", seconds(state.reset_after)),
            ] {
                // These are no lists: the limiter nearest to the service has the last word.
                let entry = headers.entry(HeaderName::from_static(name));
                entry.or_insert_with(|| HeaderValue::from(number));
            }
        }
    }
}

fn append(headers: &mut HeaderMap, name: &'static str, value: &str) {
    let value = HeaderValue::from_str(value).expect("names are printable, the rest is ours");
    headers.append(HeaderName::from_static(name), value);
}

/// With a space after each comma, as RFC 9651, section 4.1.1 has it.
fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

/// `"name";q=quota;w=window`. By GCRA the window is the time in which a burst refills, and the
/// quota what comes in such a time.
fn policy_item(policy: &Policy) -> String {
    let (quota, window) = match policy.rule() {
        Rule::Gcra(gcra) => {
            let window = seconds(Duration::from_micros(gcra.tolerance.whole)).max(1);
            (gcra.units_in_us(window.saturating_mul(1_000_000)), window)
        }
        Rule::Fixed(_) | Rule::Sliding(_) => {
            let window = seconds(policy.quota().period).max(1);
            (u64::from(policy.limit()), window)
        }
    };
    let (quota, window) = (quota.min(INTEGER_MAX), window.min(INTEGER_MAX));
    format!("\"{}\";q={quota};w={window}", policy.name())
}

/// `"name";r=remaining;t=seconds`: no more than `remaining` within that time. So by GCRA it is
/// long enough for the rate of the quota, or a client that spreads what remains over it would go
/// faster than the limit lets it for long.
fn limit_item(policy: &Policy, state: &State) -> String {
    let spread = match policy.rule() {
        Rule::Gcra(gcra) => Duration::from_micros(gcra.us_for_units(state.remaining)),
        Rule::Fixed(_) | Rule::Sliding(_) => state.reset_after,
    };
    let wait = if state.is_permanent() {
        Duration::ZERO
    } else {
        state.retry_after
    };
    let time = seconds(spread.max(wait)).clamp(1, INTEGER_MAX);
    let remaining = state.remaining.min(INTEGER_MAX);
    format!("\"{}\";r={remaining};t={time}", policy.name())
}

/// Rounded up: a client that comes back earlier is denied again.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs()
        .saturating_add(u64::from(time.subsec_nanos() > 0))
}
