//! Rows about what Redis itself answers.

use std::time::{Duration, Instant};

use redis::{Client, Connection, cmd};
use redis_ratelimit::{
    Applied, Concurrency, Decision, Fault, FaultKind, Policy, Quota, RedisStore,
};
use testkit::{Cluster, Redis, wait_for};

use crate::{BUDGET, PATIENCE, SLACK, as_limited_user, check, fault, is_decided, limiter, policy};

fn connect(server: &Redis) -> Connection {
    let client = Client::open(server.url()).expect("a URL");
    client.get_connection().expect("the server answers")
}

fn run(connection: &mut Connection, command: &str) {
    let mut words = command.split(' ');
    let mut command = cmd(words.next().expect("a command"));
    for word in words {
        command.arg(word);
    }
    command.exec(connection).expect("a plain command");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_forgets_its_scripts_is_sent_them_again() {
    let server = Redis::start(&[]).expect("a server");
    let limiter = limiter(&server.url());
    let mut connection = connect(&server);
    let windows = Policy::sliding_window("windows", Quota::per_day(10)).expect("a quota");
    let slots = Concurrency::new("slots", 1, PATIENCE).expect("a lease");
    let gcra = policy(10);
    for left in (7..10).rev() {
        run(&mut connection, "SCRIPT FLUSH");
        for policy in [&gcra, &windows] {
            let decision = limiter.check(check(policy)).await;
            assert_eq!(
                decision.state().map(|state| state.remaining),
                Some(left),
                "{decision:?}"
            );
        }
        let acquire = async || limiter.acquire(&slots, "key").await;
        drop(wait_for(acquire, PATIENCE).await);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_refusal_is_told_by_its_kind_at_once_and_charges_nothing() {
    let server = Redis::start(&[]).expect("a server");
    let mut connection = connect(&server);
    run(&mut connection, "ACL SETUSER nobody on >secret ~* +ping");
    run(
        &mut connection,
        "ACL SETUSER elsewhere on >secret ~other:* +@all",
    );
    run(&mut connection, "CONFIG SET maxmemory 1");
    let with = |user: &str| server.url().replace("://", &format!("://{user}@"));
    for (url, kind) in [
        (server.url(), FaultKind::OutOfMemory),
        (with("nobody:secret"), FaultKind::Forbidden),
        (with("elsewhere:secret"), FaultKind::Forbidden),
        (with("nobody:wrong"), FaultKind::Forbidden),
    ] {
        let limiter = limiter(&url);
        // Also several times in a row: these do not open the breaker.
        for _ in 0..8 {
            let started = Instant::now();
            let decision = limiter.check(check(&policy(10))).await;
            assert_eq!(fault(&decision), (kind, Applied::No), "{url}: {decision:?}");
            assert!(started.elapsed() < SLACK, "{url}");
        }
        let shown = format!("{limiter:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }
    run(&mut connection, "CONFIG SET maxmemory 0");
    let left = limiter(&server.url()).peek(check(&policy(10))).await;
    assert_eq!(left.expect("an answer").remaining, 10);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_permissions_that_the_book_lists_are_enough() {
    let server = Redis::start(&[]).expect("a server");
    let limiter = limiter(&as_limited_user(&server, ""));
    let windows = Policy::sliding_window("windows", Quota::per_day(10)).expect("a quota");
    let gcra = policy(10);
    for policy in [&gcra, &windows] {
        assert!(limiter.check(check(policy)).await.is_admitted());
        limiter.refund(check(policy)).await.expect("an answer");
        limiter.reset(check(policy)).await.expect("an answer");
    }
    let verdict = limiter.check_all(&[check(&gcra), check(&windows)]).await;
    assert!(verdict.doubt().is_none(), "{verdict:?}");
    let slots = Concurrency::new("slots", 1, PATIENCE).expect("a lease");
    drop(limiter.acquire(&slots, "key").await.expect("a free slot"));
    drop(wait_for(async || limiter.acquire(&slots, "key").await, PATIENCE).await);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_does_not_serve_is_waited_for_within_the_budget() {
    let server = Redis::start(&["--lua-time-limit", "1"]).expect("a server");
    let (limiter, policy) = (limiter(&server.url()), policy(10));
    is_decided(&limiter, &policy)
        .await
        .expect("a healthy server");
    let mut other = connect(&server);

    // A replica since a failover: READONLY.
    run(&mut other, "REPLICAOF 127.0.0.1 1");
    let decision = limiter.check(check(&policy)).await;
    assert_eq!(
        fault(&decision),
        (FaultKind::Unavailable, Applied::No),
        "{decision:?}"
    );
    let deciding = limiter.check(check(&policy));
    let promoting = async { run(&mut other, "REPLICAOF NO ONE") };
    let (decision, ()) = tokio::join!(deciding, promoting);
    assert_eq!(
        decision.state().map(|state| state.remaining),
        Some(8),
        "{decision:?}"
    );

    // A script that does not end: BUSY.
    let mut busy = connect(&server);
    let looping =
        std::thread::spawn(move || cmd("EVAL").arg("while true do end").arg(0).exec(&mut busy));
    let is_busy = async || {
        let pong = cmd("PING").exec(&mut other);
        pong.is_err_and(|error| error.code() == Some("BUSY"))
    };
    wait_for(is_busy, PATIENCE).await;
    let decision = limiter.check(check(&policy)).await;
    assert_eq!(
        fault(&decision),
        (FaultKind::Unavailable, Applied::No),
        "{decision:?}"
    );
    run(&mut other, "SCRIPT KILL");
    looping
        .join()
        .expect("no panic")
        .expect_err("it was killed");
    wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
    let left = limiter
        .peek(check(&policy))
        .await
        .expect("an answer")
        .remaining;
    assert_eq!(left, 7, "what was refused was not charged");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_without_its_replicas_is_waited_for_over_the_same_connection() {
    let server = Redis::start(&["--min-replicas-to-write", "1"]).expect("a server");
    let (limiter, policy) = (limiter(&server.url()), policy(10));
    let left = async || {
        limiter
            .peek(check(&policy))
            .await
            .map(|state| state.remaining)
    };
    assert_eq!(left().await.expect("it reads"), 10);
    let mut other = connect(&server);
    let before = connections(&mut other);
    for _ in 0..2 {
        let decision = limiter.check(check(&policy)).await;
        let told = (FaultKind::Unavailable, Applied::No);
        assert_eq!(fault(&decision), told, "{decision:?}");
        assert!(
            format!("{decision:?}").contains("NOREPLICAS"),
            "{decision:?}"
        );
        assert_eq!(left().await.expect("it reads"), 10);
    }
    let deciding = limiter.check(check(&policy));
    let allowing = async { run(&mut other, "CONFIG SET min-replicas-to-write 0") };
    let (decision, ()) = tokio::join!(deciding, allowing);
    assert_eq!(
        decision.state().map(|state| state.remaining),
        Some(9),
        "{decision:?}"
    );
    // There is nobody else to go to.
    assert_eq!(connections(&mut other), before);
}

/// How many there have been.
fn connections(connection: &mut Connection) -> u64 {
    let mut info = cmd("INFO");
    let stats: String = info.arg("stats").query(connection).expect("an answer");
    let mut lines = stats.lines();
    let count = lines.find_map(|line| line.strip_prefix("total_connections_received:"));
    count.expect("it counts them").parse().expect("a number")
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_loads_its_data_is_waited_for_within_the_budget() {
    let (server, primary) = (
        Redis::start(&[]).expect("a server"),
        Redis::start(&["--repl-diskless-sync-delay", "0", "--rdbcompression", "no"])
            .expect("a server"),
    );
    let (limiter, policy) = (limiter(&server.url()), policy(10));
    is_decided(&limiter, &policy)
        .await
        .expect("a healthy server");
    // It looks up from it for each key, and a key takes so long.
    let mut filling = connect(&primary);
    for key in 0..1_000 {
        let mut set = cmd("SET");
        set.arg(key).arg("x".repeat(2_048));
        set.exec(&mut filling).expect("a plain command");
    }
    let mut other = connect(&server);
    run(
        &mut other,
        "CONFIG SET loading-process-events-interval-bytes 1024",
    );
    run(&mut other, "CONFIG SET key-load-delay 10000");
    let primary = format!("REPLICAOF 127.0.0.1 {}", primary.addr().port());
    run(&mut other, &primary);
    let is_loading = |connection: &mut Connection| {
        let got = cmd("GET").arg("key").exec(connection);
        got.is_err_and(|error| error.code() == Some("LOADING"))
    };
    wait_for(async || is_loading(&mut other), PATIENCE).await;
    let decision = limiter.check(check(&policy)).await;
    let told = (FaultKind::Unavailable, Applied::No);
    assert_eq!(fault(&decision), told, "{decision:?}");
    assert!(is_loading(&mut other), "it was all the time");
    run(&mut other, "CONFIG SET key-load-delay 0");
    let promote = async || cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut other);
    wait_for(promote, PATIENCE).await;
    wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_is_stopped_for_a_while_is_used_again() {
    let server = Redis::start(&[]).expect("a server");
    let (limiter, policy) = (limiter(&server.url()), policy(1_000));
    is_decided(&limiter, &policy)
        .await
        .expect("a healthy server");
    server.pause();
    let decision = limiter.check(check(&policy)).await;
    assert_eq!(
        fault(&decision),
        (FaultKind::Timeout, Applied::Maybe),
        "{decision:?}"
    );
    server.resume();
    wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_node_of_a_cluster_says_that_the_key_is_elsewhere_and_nothing_is_charged() {
    let cluster = Cluster::start(&[]).expect("a cluster");
    let master = cluster.master_of("rl:{key}:api").expect("a master");
    let elsewhere = cluster.nodes().iter().enumerate();
    let mut elsewhere = elsewhere.filter(|(index, _)| *index != master);
    let (_, other) = elsewhere.next().expect("six nodes");
    let decision = limiter(&other.url()).check(check(&policy(10))).await;
    assert_eq!(
        fault(&decision),
        (FaultKind::Unavailable, Applied::No),
        "{decision:?}"
    );
    let decision = limiter(&cluster.nodes()[master].url())
        .check(check(&policy(10)))
        .await;
    assert!(matches!(decision, Decision::Allowed(_)), "{decision:?}");
}

#[tokio::test]
async fn a_url_that_is_none_is_told_without_connecting() {
    for url in [
        "",
        "127.0.0.1",
        "http://127.0.0.1",
        "redis://[::1",
        "redis://host:port",
    ] {
        let fault: Fault = RedisStore::open(url).expect_err(url);
        assert_eq!(
            (fault.kind(), fault.applied()),
            (FaultKind::InvalidUrl, Applied::No),
            "{url}"
        );
        assert!(std::error::Error::source(&fault).is_some(), "{url}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_ping_tells_whether_the_server_is_there() {
    let mut server = Redis::start(&[]).expect("a server");
    let store = RedisStore::open(&server.url()).expect("a URL");
    store.ping().await.expect("it is there");
    server.kill9();
    let started = Instant::now();
    let kinds = [FaultKind::Unreachable, FaultKind::ConnectionLost];
    let fault = store.ping().await.expect_err("it is not");
    assert!(kinds.contains(&fault.kind()), "{fault:?}");
    assert!(started.elapsed() < Duration::from_secs(2) + BUDGET);
}
