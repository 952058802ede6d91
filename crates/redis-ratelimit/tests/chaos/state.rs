//! Rows about what Redis remembers.

use std::time::Duration;

use redis_ratelimit::{
    Check, Concurrency, Decision, FailurePolicy, Limiter, Policy, Quota, RedisStore,
};
use testkit::{Redis, Sentinel, wait_for};

use crate::{PATIENCE, check, is_decided, limiter, policy};

#[tokio::test]
#[ignore = "needs redis-server"]
async fn each_loss_of_its_state_adds_one_burst_at_most() {
    let mut server = Redis::start(&[]).expect("a server");
    let store = RedisStore::open(&server.url()).expect("a URL");
    let settings = Limiter::builder().redis(store.clone(), FailurePolicy::Closed);
    let (limiter, policy) = (settings.budget(crate::BUDGET).build(), policy(20));
    let mut admitted = 0;
    for losses in 0..3 {
        for _ in 0..30 {
            admitted += u64::from(matches!(
                limiter.check(check(&policy)).await,
                Decision::Allowed(_)
            ));
        }
        assert!(
            admitted <= 20 * (losses + 1),
            "{admitted} after {losses} losses"
        );
        server.restart().expect("the same port");
        wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
        // That took a unit too, unless it was the last one.
        admitted += 1;
        let noticed = async || store.state_losses() == losses + 1;
        wait_for(noticed, PATIENCE).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_writes_before_it_answers_loses_nothing_by_a_kill() {
    let durable = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut server = Redis::start(&durable).expect("a server");
    let policies = [
        Policy::gcra("gcra", Quota::per_day(30)),
        Policy::fixed_window("fixed", Quota::per_day(30)),
        Policy::sliding_window("sliding", Quota::per_day(30)),
    ];
    let limiter = limiter(&server.url());
    let mut admitted = [0; 3];
    for round in 0..4 {
        for (policy, admitted) in policies.iter().zip(&mut admitted) {
            let policy = policy.as_ref().expect("a quota");
            for _ in 0..10 {
                let decision = limiter.check(check(policy)).await;
                *admitted += u32::from(matches!(decision, Decision::Allowed(_)));
            }
        }
        server.kill9();
        server.restart().expect("the same port");
        let other = Policy::gcra("other", Quota::per_second(1_000)).expect("a quota");
        wait_for(async || is_decided(&limiter, &other).await, PATIENCE).await;
        assert!(
            admitted.iter().all(|count| *count <= 30),
            "{admitted:?} in round {round}"
        );
    }
    assert_eq!(admitted, [30; 3]);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_failover_to_a_replica_in_step_admits_no_more_than_the_limit() {
    let mut servers = Sentinel::start(&[]).expect("servers");
    let old = servers.master().expect("a master");
    let policy = policy(20);
    let before = limiter(&format!("redis://{old}"));
    for _ in 0..20 {
        assert!(before.check(check(&policy)).await.is_admitted());
    }
    let in_step: u64 = {
        let client = redis::Client::open(format!("redis://{old}")).expect("a URL");
        let mut connection = client.get_connection().expect("the server answers");
        let mut wait = redis::cmd("WAIT");
        wait.arg(2)
            .arg(5_000)
            .query(&mut connection)
            .expect("a plain command")
    };
    assert_eq!(in_step, 2);
    servers.servers_mut()[0].kill9();
    let new = wait_for(
        async || servers.master().ok().filter(|master| *master != old),
        Duration::from_secs(30),
    )
    .await;
    let after = limiter(&format!("redis://{new}"));
    wait_for(async || after.peek(check(&policy)).await, PATIENCE).await;
    for _ in 0..5 {
        assert!(!after.check(check(&policy)).await.is_admitted());
    }
}

/// The figures of the README and the book: `cargo xtask test -p redis-ratelimit chaos` shows them.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_key_takes_no_more_memory_in_redis_than_the_book_says() {
    let server = Redis::start(&[]).expect("a server");
    let limiter = limiter(&server.url());
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    let mut takes = |policy: &str| -> u64 {
        let mut usage = redis::cmd("MEMORY");
        usage.arg("USAGE").arg(format!("rl:{{user:42}}:{policy}"));
        usage.arg("SAMPLES").arg(0);
        usage.query(&mut connection).expect("a key")
    };
    for (policy, most) in [
        (Policy::gcra("gcra", Quota::per_day(100)), 72),
        (Policy::gcra("part", Quota::per_day(101)), 104),
        (Policy::fixed_window("wind", Quota::per_day(100)), 104),
        (Policy::sliding_window("slid", Quota::per_day(100)), 120),
    ] {
        let policy = policy.expect("a quota");
        let check = Check::new(&policy, "user:42").expect("a short key");
        let check = check.cost(42).expect("within the limit");
        assert!(limiter.check(check).await.is_admitted());
        let bytes = takes(policy.name());
        println!("{}: {bytes} bytes", policy.name());
        assert!(bytes <= most, "{policy:?}: {bytes}");
    }
    let slots = Concurrency::new("slot", 128, PATIENCE).expect("a lease");
    let mut permits = Vec::new();
    for held in 1..=128_u64 {
        let permit = limiter.acquire(&slots, "user:42").await;
        permits.push(permit.expect("a free slot"));
        let bytes = takes("slot");
        if held == 1 || held == 128 {
            println!("{held} slots: {bytes} bytes");
        }
        assert!(bytes <= 80 + 70 * held, "{held} slots: {bytes}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_million_keys_of_gcra_take_no_more_than_125_mib_in_redis() {
    const KEYS: u64 = 4_000;
    let server = Redis::start(&[]).expect("a server");
    let (limiter, policy) = (limiter(&server.url()), policy(10));
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    let mut used = || -> u64 {
        let info: String = redis::cmd("INFO")
            .arg("memory")
            .query(&mut connection)
            .expect("a plain command");
        let used = info
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"));
        used.and_then(|used| used.parse().ok()).expect("a number")
    };
    assert!(limiter.check(check(&policy)).await.is_admitted());
    let before = used();
    for key in 0..KEYS {
        let key = format!("user:{key}");
        let check = Check::new(&policy, &key).expect("a short key");
        assert!(limiter.check(check).await.is_admitted());
    }
    let each = (used() - before) / KEYS;
    println!("{each} bytes for each key, with what Redis keeps beside it");
    assert!(each * 1_000_000 <= 125 << 20, "{each}");
}
