//! One of the processes: it does what it is told on its input, and tells what comes of it.

use std::io::{BufRead, Write, stdin, stdout};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redis_ratelimit::{Check, Decision, Limiter, Policy, Source};
use rustix::time::{ClockId, clock_gettime};
use testkit::Redis;
use tokio::task::{JoinSet, yield_now};

use super::{TASKS, on, policy};

/// Where the server is, for a process of a fleet.
pub(super) const SERVER: &str = "RATELIMIT_FLEET_SERVER";

/// What this file is as a test, to be started as a process of a fleet.
pub(super) const NAME: &str =
    "processes::client::tasks_of_one_process_admit_the_limit_whoever_goes_away";

/// Nanoseconds by a clock that all processes of a machine share, and that is never set.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let parts = u64::try_from(now.tv_sec)
        .ok()
        .zip(u64::try_from(now.tv_nsec).ok());
    let (seconds, ns) = parts.expect("it begins at 0");
    seconds * 1_000_000_000 + ns
}

fn tell(line: &str) {
    // In one piece, so that a process that is killed leaves no half of a line in the middle.
    let line = format!("@{line}\n");
    stdout()
        .lock()
        .write_all(line.as_bytes())
        .expect("somebody listens");
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

/// By itself it is the smallest fleet, of one process that is not killed.
#[test]
#[ignore = "needs redis-server"]
fn tasks_of_one_process_admit_the_limit_whoever_goes_away() {
    if let Ok(url) = std::env::var(SERVER) {
        return serve(&url);
    }
    let server = Redis::start(&[]).expect("a server");
    let (limiter, policy) = (on(&server.url()), policy("day", 500));
    let told = Arc::new(AtomicU64::new(0));
    let count = {
        let told = Arc::clone(&told);
        move |outcome: Outcome| {
            if outcome.admitted {
                told.fetch_add(outcome.units, Ordering::SeqCst);
            }
        }
    };
    let runtime = runtime();
    runtime.block_on(hammer(&limiter, &policy, 40, Arc::default(), count));
    let told = told.load(Ordering::SeqCst);
    let check = Check::new(&policy, "key").expect("a short key");
    let left = runtime
        .block_on(limiter.peek(check))
        .expect("an answer")
        .remaining;
    // Every fifth may have been charged for nothing.
    assert!(
        (250..=500).contains(&told) && told + left <= 500,
        "{told} and {left}"
    );
}

fn serve(url: &str) {
    let (runtime, limiter) = (runtime(), on(url));
    let stop = Arc::new(AtomicBool::new(false));
    // The harness has begun a line.
    println!();
    for line in stdin().lock().lines() {
        let line = line.expect("text");
        let words: Vec<_> = line.split(' ').collect();
        let limiter = limiter.clone();
        match words[..] {
            ["stop"] => stop.store(true, Ordering::SeqCst),
            ["hammer", name, units] => {
                stop.store(false, Ordering::SeqCst);
                let (policy, stop) = (policy(name, number(units)), Arc::clone(&stop));
                runtime.spawn(async move {
                    hammer(&limiter, &policy, u64::MAX, stop, tell_outcome()).await;
                    tell(".");
                });
            }
            ["round", name, units, key] => {
                let (policy, key) = (policy(name, number(units)), key.to_owned());
                runtime.spawn(async move {
                    round(&limiter, &policy, &key).await;
                    tell(".");
                });
            }
            _ => panic!("{line}?"),
        }
    }
}

fn tell_outcome() -> impl Fn(Outcome) + Clone + Send + 'static {
    let denied = Arc::new(AtomicBool::new(false));
    move |outcome| {
        let Outcome {
            called,
            returned,
            units,
            admitted,
        } = outcome;
        if admitted {
            tell(&format!("+ {called} {returned} {units}"));
        } else if units == 1 && !denied.swap(true, Ordering::SeqCst) {
            tell("-");
        }
    }
}

struct Outcome {
    called: u64,
    returned: u64,
    units: u64,
    admitted: bool,
}

fn number(word: &str) -> u32 {
    word.parse().expect("a number")
}

/// Sixteen tasks that ask for one key, each so many times, or until they are told to stop. Each
/// outcome is told.
async fn hammer(
    limiter: &Limiter,
    policy: &Policy,
    times: u64,
    stop: Arc<AtomicBool>,
    tell: impl Fn(Outcome) + Clone + Send + 'static,
) {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS as u64 {
        let (limiter, policy, stop, tell) = (
            limiter.clone(),
            policy.clone(),
            Arc::clone(&stop),
            tell.clone(),
        );
        tasks.spawn(async move {
            for nth in 0..times {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let units = 1 + (task + nth) % 3;
                let called = now();
                if let Some(decision) = ask(&limiter, &policy, "key", units, nth).await {
                    tell(Outcome {
                        called,
                        returned: now(),
                        units,
                        admitted: decision.is_admitted(),
                    });
                }
                if nth % 16 == 0 {
                    yield_now().await;
                }
            }
        });
    }
    tasks.join_all().await;
}

/// Five tasks that ask twice each, so that some of them share a call. Each call is told, and what has come of it.
async fn round(limiter: &Limiter, policy: &Policy, key: &str) {
    let mut tasks = JoinSet::new();
    for task in 0..5 {
        let (limiter, policy, key) = (limiter.clone(), policy.clone(), key.to_owned());
        tasks.spawn(async move {
            for nth in 0..2 {
                let (number, units) = (2 * task + nth, 1 + (task + nth) % 2);
                tell(&format!("? {number} {} {units}", now()));
                let decision = ask(&limiter, &policy, &key, units, number).await;
                if let Some(decision) = decision {
                    let state = decision.state().expect("an answer");
                    let remaining = match state.source {
                        Source::DenyCache => "-".to_owned(),
                        _ => state.remaining.to_string(),
                    };
                    let admitted = decision.is_admitted();
                    tell(&format!("= {number} {} {admitted} {remaining}", now()));
                }
            }
        });
    }
    tasks.join_all().await;
}

/// Every fifth caller does not wait for long, except for two policies: of these nothing is taken
/// without being told, so that a single unit too many shows.
async fn ask(
    limiter: &Limiter,
    policy: &Policy,
    key: &str,
    units: u64,
    nth: u64,
) -> Option<Decision> {
    let check = Check::new(policy, key).expect("a short key");
    let units = u32::try_from(units).expect("a small number");
    let mut asked = pin!(limiter.check(check.cost(units).expect("within the limit")));
    let is_impatient = nth % 5 == 4 && !["parts", "sliding-day"].contains(&policy.name());
    let decision = if is_impatient {
        tokio::select! {
            biased;
            decision = &mut asked => Some(decision),
            () = yield_some(nth % 4) => None,
        }
    } else {
        Some(asked.await)
    };
    if let Some(Decision::Unknown(doubt)) = &decision {
        panic!("{doubt:?}");
    }
    decision
}

async fn yield_some(times: u64) {
    for _ in 0..times {
        yield_now().await;
    }
}
