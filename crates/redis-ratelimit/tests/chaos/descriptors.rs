//! Rows about a process that has no descriptor left.

use std::collections::HashSet;
use std::error::Error;
use std::num::NonZeroU32;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis_ratelimit::{Applied, FailurePolicy, Fault, FaultKind, Limiter, RedisStore};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use testkit::{Redis, wait_for};
use tokio::runtime::{Builder, Runtime};
use tokio::time::interval;

use crate::{BUDGET, PATIENCE, SLACK, builder, check, fault, is_decided, policy};

/// Set in the process that a test is played in: what it does to itself would fail the others.
const ALONE: &str = "RATELIMIT_TEST_ALONE";

/// Runs a test in a process of its own, which is this program again.
fn alone(name: &str, test: impl AsyncFnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return runtime().block_on(test());
    }
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let name = format!("descriptors::{name}");
    command.args([&name, "--exact", "--ignored", "--nocapture"]);
    let output = command.env(ALONE, "yes").output().expect("this program");
    let words = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let has_passed = output.status.success() && words.contains("1 passed");
    assert!(has_passed, "{}: {words}", output.status);
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let builder = builder.worker_threads(2).enable_all();
    builder.build().expect("a runtime")
}

/// No descriptor is to be had while this lives. Those that are open stay open.
struct Exhausted(Rlimit);

impl Exhausted {
    fn begin() -> Self {
        let before = getrlimit(Resource::Nofile);
        let none = Rlimit {
            current: Some(0),
            maximum: before.maximum,
        };
        setrlimit(Resource::Nofile, none).expect("less is always allowed");
        let opened = std::fs::File::open("/dev/null").map_err(|error| error.raw_os_error());
        assert_eq!(opened.err(), Some(Some(24)), "EMFILE");
        Self(before)
    }
}

impl Drop for Exhausted {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.0).expect("no more than before");
    }
}

fn processor_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.try_into().expect("it begins at 0")
}

/// Which attempt to connect a fault tells of: a place in memory, as long as the fault is there.
fn attempt(fault: &Fault) -> Option<usize> {
    let of_client = fault.source()?.source()?;
    let shared = of_client.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    Some(Arc::as_ptr(shared).cast::<()>().addr())
}

#[test]
#[ignore = "needs redis-server"]
fn without_a_descriptor_the_declared_policy_decides_until_there_is_one() {
    alone(
        "without_a_descriptor_the_declared_policy_decides_until_there_is_one",
        async || {
            let server = Redis::start(&[]).expect("a server");
            let nodes = NonZeroU32::new(2).expect("some nodes");
            for (on_failure, expected) in [
                (FailurePolicy::Open, 8),
                (FailurePolicy::Closed, 0),
                (FailurePolicy::Local { nodes }, 5),
            ] {
                let limiter = builder(&server.url(), on_failure).build();
                let policy = policy(10);
                let exhausted = Exhausted::begin();
                let mut admitted = 0;
                for nth in 0..8 {
                    let asked = Instant::now();
                    let decision = limiter.check(check(&policy)).await;
                    assert!(asked.elapsed() < BUDGET + SLACK, "{:?}", asked.elapsed());
                    let (kind, applied) = fault(&decision);
                    let is_told =
                        kind == FaultKind::Unreachable || nth > 0 && kind == FaultKind::BreakerOpen;
                    assert!(is_told && applied == Applied::No, "{nth}: {decision:?}");
                    admitted += u32::from(decision.is_admitted());
                }
                assert_eq!(admitted, expected, "{on_failure:?}");
                drop(exhausted);
                wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
            }
        },
    );
}

#[test]
#[ignore = "needs redis-server"]
fn without_a_descriptor_there_are_no_more_than_ten_attempts_to_connect_in_a_second() {
    alone(
        "without_a_descriptor_there_are_no_more_than_ten_attempts_to_connect_in_a_second",
        async || {
            let server = Redis::start(&[]).expect("a server");
            // The store itself is asked: with a breaker there would be fewer.
            let store = RedisStore::open(&server.url()).expect("a URL");
            let exhausted = Exhausted::begin();
            let (began, spent) = (Instant::now(), processor_time());
            let (mut faults, mut ticks) = (Vec::new(), interval(Duration::from_millis(5)));
            while began.elapsed() < Duration::from_secs(1) {
                ticks.tick().await;
                faults.push(store.ping().await.expect_err("there is no descriptor"));
            }
            let spent = processor_time().saturating_sub(spent);
            let attempts: Option<HashSet<_>> = faults.iter().map(attempt).collect();
            let attempts = attempts.expect("each tells of one").len();
            assert!((2..=11).contains(&attempts), "{attempts}");
            assert!(faults.len() > 50, "{} faults", faults.len());
            assert!(spent < began.elapsed() / 4, "{spent:?}");
            drop(exhausted);
            wait_for(async || store.ping().await, PATIENCE).await;
        },
    );
}

#[test]
#[ignore = "needs redis-server"]
fn without_a_descriptor_a_connection_is_used_and_a_lost_one_replaced_when_there_is_one() {
    alone(
        "without_a_descriptor_a_connection_is_used_and_a_lost_one_replaced_when_there_is_one",
        async || {
            let server = Redis::start(&[]).expect("a server");
            let store = RedisStore::open(&server.url()).expect("a URL");
            let settings = Limiter::builder().redis(store.clone(), FailurePolicy::Closed);
            // Above a second those who wait try to get another connection all the time.
            let budget = Duration::from_secs(4);
            let (limiter, policy) = (settings.budget(budget).build(), policy(1_000));
            is_decided(&limiter, &policy).await.expect("a healthy link");
            let exhausted = Exhausted::begin();
            is_decided(&limiter, &policy).await.expect("it is there");

            let pid = i32::try_from(server.pid().expect("it runs")).expect("a number");
            let pid = Pid::from_raw(pid).expect("not 0");
            kill_process(pid, Signal::STOP).expect("it is ours");
            let (began, spent) = (Instant::now(), processor_time());
            // One less than opens the breaker.
            let ask = |_| {
                let (limiter, policy) = (limiter.clone(), policy.clone());
                tokio::spawn(async move { fault(&limiter.check(check(&policy)).await) })
            };
            for asked in (0..4).map(ask).collect::<Vec<_>>() {
                let told = asked.await.expect("no panic");
                assert_eq!(told, (FaultKind::Timeout, Applied::Maybe));
            }
            assert!(began.elapsed() < budget + SLACK, "{:?}", began.elapsed());
            let spent = processor_time().saturating_sub(spent);
            assert!(spent < began.elapsed() / 4, "{spent:?}");
            // The connection was given up, and there is no other one.
            let asked = Instant::now();
            let decision = limiter.check(check(&policy)).await;
            assert!(asked.elapsed() < budget + SLACK, "{:?}", asked.elapsed());
            let told = (FaultKind::Unreachable, Applied::No);
            assert_eq!(fault(&decision), told, "{decision:?}");

            kill_process(pid, Signal::CONT).expect("it is ours");
            drop(exhausted);
            wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
            assert_eq!(store.state_losses(), 0, "it is the same server");
        },
    );
}
