//! What happens when Redis fails, row by row: `cargo xtask test -p redis-ratelimit chaos`.

#[cfg(feature = "cluster")]
#[path = "../conformance/mod.rs"]
mod conformance;

mod breaker;
#[cfg(feature = "cluster")]
mod cluster;
mod descriptors;
mod network;
mod processes;
#[cfg(feature = "sentinel")]
mod sentinel;
mod server;
mod state;
#[cfg(feature = "tls")]
mod tls;

use std::time::Duration;

use redis_ratelimit::{
    Applied, Check, Decision, FailurePolicy, FaultKind, Limiter, LimiterBuilder, Policy, Quota,
    RedisStore,
};
use testkit::{Proxy, Redis};

/// Long enough for an answer from a healthy server on a busy machine.
const BUDGET: Duration = Duration::from_millis(400);

/// What a busy machine may take on top of a budget.
const SLACK: Duration = Duration::from_millis(400);

/// For what is bound to happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn builder(url: &str, on_failure: FailurePolicy) -> LimiterBuilder {
    let store = RedisStore::open(url).expect("a URL");
    Limiter::builder().redis(store, on_failure).budget(BUDGET)
}

fn limiter(url: &str) -> Limiter {
    builder(url, FailurePolicy::Closed).build()
}

/// Makes a user who may do what the book lists, and `more`, and returns a URL as that user.
fn as_limited_user(server: &Redis, more: &str) -> String {
    let commands = "+ping +evalsha +eval +time +get +mget +exists +set +del \
                    +zremrangebyscore +zrange +zadd +zscore +zcard +zrem +pexpire";
    let user = format!("SETUSER limits on >secret resetkeys ~rl:* -@all {commands} {more}");
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    let mut acl = redis::cmd("ACL");
    acl.arg(user.split_whitespace().collect::<Vec<_>>());
    acl.exec(&mut connection).expect("a user");
    server.url().replace("://", "://limits:secret@")
}

fn through(proxy: &Proxy) -> String {
    format!("redis://{}", proxy.addr())
}

/// So many units, none of which comes back while a test runs.
fn policy(units: u32) -> Policy {
    Policy::gcra("api", Quota::per_day(units)).expect("a quota")
}

fn check(policy: &Policy) -> Check<'_> {
    Check::new(policy, "key").expect("a short key")
}

/// The fault of a decision that is in doubt.
#[track_caller]
fn fault(decision: &Decision) -> (FaultKind, Applied) {
    match decision {
        Decision::Unknown(doubt) => (doubt.cause().kind(), doubt.cause().applied()),
        _ => panic!("decided: {decision:?}"),
    }
}

async fn is_decided(limiter: &Limiter, policy: &Policy) -> Result<(), String> {
    match limiter.check(check(policy)).await {
        Decision::Unknown(doubt) => Err(format!("{doubt:?}")),
        _ => Ok(()),
    }
}
