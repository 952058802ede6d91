//! Four processes on one key, with all layers on, while processes are killed, scripts are flushed
//! and callers go away: nothing is admitted that should not have been.

mod client;
mod fleet;

use std::time::Duration;

use redis_ratelimit::{Check, FailurePolicy, Limiter, Policy, Quota, RedisStore};
use testkit::{Call, Redis, linearize};

use self::fleet::{Admitted, Fleet};
use crate::PATIENCE;

const PROCESSES: usize = 4;
const TASKS: usize = 16;

/// A hundredth of what `cargo xtask test --full` asks for.
const CASES: u64 = 256;

/// Clocks may run 500 ppm apart: what lies within a window that is shorter by twice as much for
/// us surely does for Redis.
const SLEW: u64 = 1_000;

/// As many as each property test of the workspace goes by.
fn cases() -> u64 {
    let set = std::env::var("PROPTEST_CASES").ok();
    set.and_then(|cases| cases.parse().ok()).unwrap_or(CASES)
}

/// The policies that a process can be told to ask for.
fn policy(name: &str, units: u32) -> Policy {
    let policy = match name {
        "day" => Policy::gcra(name, Quota::per_day(units)),
        "parts" => Policy::gcra(name, Quota::per(units, Duration::from_secs(86_399))),
        "fixed-day" => Policy::fixed_window(name, Quota::per_day(units)),
        "sliding-day" => Policy::sliding_window(name, Quota::per_day(units)),
        "paced" => Policy::gcra(
            name,
            Quota::per(units, Duration::from_millis(5)).burst(units),
        ),
        "fixed" => Policy::fixed_window(name, Quota::per(units, Duration::from_millis(5))),
        "sliding" => Policy::sliding_window(name, Quota::per(units, Duration::from_millis(5))),
        _ => panic!("no policy is called {name}"),
    };
    policy.expect("a quota")
}

fn on(url: &str) -> Limiter {
    let store = RedisStore::open(url).expect("a URL");
    let settings = Limiter::builder().redis(store, FailurePolicy::Closed);
    // Nothing fails here but processes, and the machine may be busy.
    settings
        .budget(PATIENCE)
        .coalesce()
        .deny_cache(1_000)
        .build()
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn processes_that_are_killed_admit_the_limit_exactly() {
    let server = Redis::start(&[]).expect("a server");
    let mut fleet = Fleet::start(&server.url(), PROCESSES);
    let units = u32::try_from(4 * cases()).expect("a small number");
    for name in ["day", "parts", "fixed-day", "sliding-day"] {
        let policy = policy(name, units);
        let admitted = fleet.hammer(name, units, u64::from(units) / 2);
        let admitted: u64 = admitted.iter().map(|admitted| admitted.units).sum();
        // What those have taken who were killed, or did not wait, was told to nobody.
        assert!(
            admitted <= u64::from(units),
            "{name}: {admitted} of {units}"
        );
        let limiter = on(&server.url());
        let check = Check::new(&policy, "key").expect("a short key");
        let left = limiter.peek(check).await.expect("an answer").remaining;
        assert!(
            admitted + left <= u64::from(units),
            "{name}: {admitted} and {left}"
        );
        println!("{name}: {admitted} of {units} told, {left} left");
    }
}

#[test]
#[ignore = "needs redis-server"]
fn no_window_of_any_length_has_more_in_it_than_its_policy_says() {
    const UNITS: u32 = 40;
    let server = Redis::start(&[]).expect("a server");
    let mut fleet = Fleet::start(&server.url(), PROCESSES);
    for name in ["paced", "fixed", "sliding"] {
        let admitted = fleet.hammer(name, UNITS, cases() * 4);
        for window_us in [1_000, 5_000, 10_000, 50_000, 100_000_u64] {
            let most = match name {
                // A burst, and what comes back within the window.
                "paced" | "fixed" => u64::from(UNITS) * (1 + window_us.div_ceil(5_000)),
                _ => u64::from(UNITS) * window_us.div_ceil(5_000),
            };
            let seen = most_within(&admitted, window_us * (1_000 - 1_000 / SLEW));
            println!("{name}: {seen} of {most} in {window_us} us");
            assert!(seen <= most, "{name}: {seen} of {most} in {window_us} us");
        }
    }
}

/// The most units that were surely admitted within a window of so many ns: asked for when it had
/// begun, and answered before it was over.
fn most_within(admitted: &[Admitted], window_ns: u64) -> u64 {
    let mut by_call = admitted.to_vec();
    by_call.sort_by_key(|admitted| admitted.called);
    let most = by_call.iter().enumerate().map(|(index, first)| {
        let until = first.called + window_ns;
        let later = by_call[index..].iter();
        let within = later.take_while(|later| later.called <= until);
        within
            .filter(|within| within.returned <= until)
            .map(|within| within.units)
            .sum()
    });
    most.max().unwrap_or(0)
}

/// What a check asked for, and what is known about its answer.
#[derive(Debug, Clone)]
struct Asked {
    units: u64,
    answer: Option<Answer>,
}

#[derive(Debug, Clone)]
struct Answer {
    admitted: bool,
    /// Not of a remembered denial, which knows what was left then.
    remaining: Option<u64>,
}

/// The limit as it should be: its state is what is left.
fn limit(left: u64, asked: &Asked) -> Option<u64> {
    let after = left.checked_sub(asked.units);
    let now = after.unwrap_or(left);
    let is_so = asked.answer.as_ref().is_none_or(|answer| {
        answer.admitted == after.is_some() && answer.remaining.is_none_or(|told| told == now)
    });
    is_so.then_some(now)
}

#[test]
#[ignore = "needs redis-server"]
fn what_processes_are_told_is_what_one_after_the_other_would_be() {
    const UNITS: u32 = 30;
    let server = Redis::start(&[]).expect("a server");
    let mut fleet = Fleet::start(&server.url(), PROCESSES);
    let (mut calls, mut overlaps) = (0, 0);
    for round in 0..cases() / 8 {
        let name = ["day", "parts", "fixed-day", "sliding-day"]
            [usize::try_from(round % 4).expect("a digit")];
        let history = fleet.round(name, UNITS, round);
        let order = linearize(&history, &u64::from(UNITS), |left, asked| {
            limit(*left, asked)
        });
        assert!(order.is_some(), "{name}, round {round}: {history:#?}");
        calls += history.len();
        overlaps += overlapping(&history);
    }
    println!("{calls} calls, {overlaps} of which have met others");
    assert!(overlaps > calls / 4, "{overlaps} of {calls}");
}

/// How many calls were answered while another one that was answered was on its way.
fn overlapping(history: &[Call<Asked>]) -> usize {
    let spans = history
        .iter()
        .filter_map(|call| Some((call.called, call.returned?)));
    let spans: Vec<_> = spans.collect();
    let meets = |(index, (called, returned)): (usize, &(u64, u64))| {
        let mut others = spans.iter().enumerate();
        others.any(|(other, span)| other != index && span.0 < *returned && *called < span.1)
    };
    spans.iter().enumerate().filter(|span| meets(*span)).count()
}
