//! The algorithms against models that are too simple to be wrong: they keep every event for ever.
//!
//! Everything goes through the public API, on the memory store with a clock of the test's.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use governor::RateLimiter;
use governor::clock::{Clock, FakeRelativeClock};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use redis_ratelimit::{Check, Decision, Limiter, MemoryStore, Policy, Quota, State};

/// How far the clock goes before each ask, and for how many units is asked.
type Ask = (u64, u32);

/// The state of a limit and whether it was admitted, from one ask.
struct Answer {
    now_us: u64,
    cost: u32,
    admitted: bool,
    state: State,
}

/// How often the runs reached a state: a model proves nothing about one it never reaches.
#[derive(Debug, Default)]
struct Reached {
    admitted: Cell<u32>,
    denied: Cell<u32>,
}

#[test]
fn gcra_admits_exactly_what_a_leaky_bucket_with_fractions_does() {
    for (units, period_us, burst) in [
        (20, 1_000_000, 20),
        (1, 1_000_000, 1),
        (7, 1_000_000, 7),
        (30_000, 1_000_000, 100),
        (999_983, 86_400_000_000, 50),
        (3, 1_000_000, 1),
        (100, 60_000_000, 3),
    ] {
        let quota = Quota::per(units, Duration::from_micros(period_us)).burst(burst);
        let policy = Policy::gcra("p", quota).expect("a quota");
        let interval_us = period_us / u64::from(units);
        run(&policy, interval_us, |answers| {
            // The other form of I.371: a bucket that leaks `units` per period. Its level is in
            // units times `period_us`, so that it is a whole number.
            let capacity = u128::from(burst) * u128::from(period_us);
            let (mut level, mut last_us) = (0_u128, 0);
            for answer in answers {
                let leaked = u128::from(answer.now_us - last_us) * u128::from(units);
                last_us = answer.now_us;
                level = level.saturating_sub(leaked);
                let filled = level + u128::from(answer.cost) * u128::from(period_us);
                prop_assert_eq!(answer.admitted, filled <= capacity);
                if answer.admitted {
                    level = filled;
                }
                let left = (capacity - level) / u128::from(period_us);
                prop_assert_eq!(u128::from(answer.state.remaining), left);
                let wait = (filled.saturating_sub(capacity)).div_ceil(u128::from(units));
                let wait = if answer.admitted { 0 } else { wait };
                prop_assert_eq!(answer.state.retry_after.as_micros(), wait);
                let reset = level.div_ceil(u128::from(units));
                prop_assert_eq!(answer.state.reset_after.as_micros(), reset);
            }
            Ok(())
        });
    }
}

/// governor keeps the same arrival time, in nanoseconds and without the remainder of a quota that
/// does not divide, so the intervals here are whole microseconds.
#[test]
fn gcra_decides_as_governor_does() {
    for (units, period_us, burst) in [
        (20, 1_000_000, 20),
        (1, 1_000_000, 1),
        (1, 60_000_000, 7),
        (1_000_000, 1_000_000, 50),
        (5, 10, 3),
    ] {
        let quota = Quota::per(units, Duration::from_micros(period_us)).burst(burst);
        let policy = Policy::gcra("p", quota).expect("a quota");
        let interval_us = period_us / u64::from(units);
        run(&policy, interval_us.max(1), |answers| {
            let clock = FakeRelativeClock::default();
            let interval = Duration::from_micros(period_us) / units;
            let theirs = governor::Quota::with_period(interval).expect("an interval");
            let theirs = theirs.allow_burst(NonZeroU32::new(burst).expect("a burst"));
            let theirs = RateLimiter::direct_with_clock(theirs, clock.clone());
            let mut now_us = 0;
            for answer in answers {
                clock.advance(Duration::from_micros(answer.now_us - now_us));
                now_us = answer.now_us;
                let units = NonZeroU32::new(answer.cost).expect("a cost");
                let decision = theirs.check_n(units).expect("no more than the burst");
                let wait = decision.map_err(|denied| denied.wait_time_from(clock.now()));
                let ours = answer
                    .admitted
                    .then_some(())
                    .ok_or(answer.state.retry_after);
                prop_assert_eq!(ours, wait);
            }
            Ok(())
        });
    }
}

#[test]
fn a_fixed_window_admits_its_limit_from_the_first_unit_to_its_end() {
    let policy = Policy::fixed_window("p", Quota::per_second(20)).expect("a quota");
    run(&policy, 50_000, |answers| {
        let (mut opened_us, mut used) = (0, 0);
        for answer in answers {
            if used == 0 || answer.now_us >= opened_us + 1_000_000 {
                (opened_us, used) = (answer.now_us, 0);
            }
            prop_assert_eq!(answer.admitted, used + answer.cost <= 20);
            used += if answer.admitted { answer.cost } else { 0 };
            prop_assert_eq!(answer.state.remaining, u64::from(20 - used));
            let left_us = opened_us + 1_000_000 - answer.now_us;
            let wait_us = if answer.admitted { 0 } else { left_us };
            prop_assert_eq!(answer.state.retry_after, Duration::from_micros(wait_us));
        }
        Ok(())
    });
}

#[test]
fn a_sliding_window_never_admits_more_in_any_window_and_is_strict_by_a_tenth() {
    let policy = Policy::sliding_window("p", Quota::per_second(20)).expect("a quota");
    run(&policy, 50_000, |answers| {
        for (index, answer) in answers.iter().enumerate() {
            let since = |age_us: u64| -> u32 {
                let admitted = answers[..index].iter().filter(|earlier| earlier.admitted);
                let counted = admitted.filter(|earlier| earlier.now_us + age_us > answer.now_us);
                counted.map(|earlier| earlier.cost).sum()
            };
            if answer.admitted {
                prop_assert!(since(1_000_000) + answer.cost <= 20);
            } else {
                prop_assert!(
                    since(1_100_000) + answer.cost > 20,
                    "denied without a reason"
                );
                prop_assert!(answer.state.retry_after <= Duration::from_millis(1_100));
            }
        }
        Ok(())
    });
}

/// Asks a limiter of its own in random steps, and gives the answers to `agrees`. What every
/// policy promises is checked here.
fn run(policy: &Policy, interval_us: u64, agrees: impl Fn(&[Answer]) -> TestCaseResult) {
    let step = prop_oneof![
        6 => Just(0),
        3 => 0..2 * interval_us + 2,
        1 => 0..10 * interval_us,
    ];
    let cost = prop_oneof![3 => Just(1), 1 => 1..=policy.limit().min(5)];
    let reached = Reached::default();
    let config = Config {
        // What fails becomes a named test, not a line in a file of seeds.
        failure_persistence: None,
        ..Config::with_cases(64)
    };
    TestRunner::new(config)
        .run(&prop::collection::vec((step, cost), 1..200), |asks| {
            let answers = ask(policy, &asks)?;
            let admitted = answers.iter().filter(|answer| answer.admitted).count();
            let denied = answers.len() - admitted;
            let more = |count: usize| u32::try_from(count).expect("200 at most");
            reached.admitted.update(|times| times + more(admitted));
            reached.denied.update(|times| times + more(denied));
            agrees(&answers)
        })
        .unwrap_or_else(|failure| panic!("{policy:?}: {failure}"));
    assert!(reached.admitted.get() > 100, "{policy:?}: {reached:?}");
    assert!(reached.denied.get() > 100, "{policy:?}: {reached:?}");
}

fn ask(policy: &Policy, asks: &[Ask]) -> Result<Vec<Answer>, TestCaseError> {
    NOW_US.set(0);
    let limiter = Limiter::builder()
        .memory(MemoryStore::with_clock(64, model_clock))
        .build();
    let mut answers = Vec::new();
    for (step_us, cost) in asks {
        NOW_US.set(NOW_US.get() + step_us);
        let check = Check::new(policy, "key")
            .and_then(|check| check.cost(*cost))
            .expect("a cost within the limit");
        let before = at_once(limiter.peek(check)).expect("memory answers");
        let decision = at_once(limiter.check(check));
        let state = *decision.state().expect("memory answers");
        let admitted = matches!(decision, Decision::Allowed(_));
        prop_assert_eq!(
            before.retry_after.is_zero(),
            admitted,
            "peek tells what comes"
        );
        prop_assert!(state.remaining <= state.limit);
        if !admitted {
            prop_assert_eq!(before, state, "a denial takes nothing");
            check_the_announced_wait(&limiter, check, state)?;
        }
        answers.push(Answer {
            now_us: NOW_US.get(),
            cost: *cost,
            admitted,
            state,
        });
    }
    Ok(answers)
}

/// A microsecond earlier it is denied, and then it is admitted.
fn check_the_announced_wait(limiter: &Limiter, check: Check<'_>, state: State) -> TestCaseResult {
    let now_us = NOW_US.get();
    let wait_us = u64::try_from(state.retry_after.as_micros()).expect("a short wait");
    NOW_US.set(now_us + wait_us - 1);
    let early = at_once(limiter.peek(check)).expect("memory answers");
    prop_assert_eq!(early.retry_after, Duration::from_micros(1));
    NOW_US.set(now_us + wait_us);
    let in_time = at_once(limiter.peek(check)).expect("memory answers");
    prop_assert!(in_time.retry_after.is_zero());
    NOW_US.set(now_us);
    Ok(())
}

/// The memory store does not wait for anything.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the memory store has waited"),
    }
}

thread_local! {
    static NOW_US: Cell<u64> = const { Cell::new(0) };
}

fn model_clock() -> Instant {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    *START + Duration::from_micros(NOW_US.get())
}
