//! Rows about a cluster: its nodes die, and its slots move.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use redis_ratelimit::{
    Applied, Check, Concurrency, Decision, FailurePolicy, FaultKind, Limiter, Policy, Quota,
    RedisStore,
};
use testkit::{Cluster, Link, Proxy, Redis, wait_for};

use crate::{BUDGET, PATIENCE, SLACK, as_limited_user, fault};

fn store(cluster: &Cluster) -> RedisStore {
    RedisStore::cluster(cluster.urls()).expect("URLs")
}

fn with_budget(store: RedisStore, budget: Duration) -> Limiter {
    let settings = Limiter::builder().redis(store, FailurePolicy::Closed);
    settings.budget(budget).coalesce().deny_cache(100).build()
}

fn per_day(name: &str, units: u32) -> Policy {
    Policy::gcra(name, Quota::per_day(units)).expect("a quota")
}

fn check<'a>(policy: &'a Policy, key: &'a str) -> Check<'a> {
    Check::new(policy, key).expect("a short key")
}

mod suite {
    crate::conformance::conformance!(super::limiter(), #[ignore = "needs redis-server"]);
}

/// A limiter on a cluster of its own.
fn limiter() -> (Limiter, Cluster) {
    let cluster = Cluster::start(&[]).expect("a cluster");
    (with_budget(store(&cluster), PATIENCE), cluster)
}

/// A key that each of the masters serves.
fn keys(cluster: &Cluster) -> [String; 3] {
    let serving = |master| {
        let mut keys = (0..).map(|number| format!("user:{number}"));
        let is_there = |key: &String| {
            let served_by = cluster.master_of(&format!("rl:{{{key}}}:api"));
            served_by.expect("a master") == master
        };
        keys.find(is_there).expect("one of them")
    };
    [serving(0), serving(1), serving(2)]
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cluster_is_one_store_whichever_node_has_a_key() {
    let mut cluster = Cluster::start(&[]).expect("a cluster");
    // The first URL is that of a node that is away: a replica, so that nothing else is missing.
    let mut urls = cluster.urls();
    urls.rotate_right(1);
    cluster.nodes_mut()[5].kill9();
    let limiters = [(); 2].map(|()| {
        let store = RedisStore::cluster(&urls).expect("URLs");
        with_budget(store, PATIENCE)
    });
    let window = Policy::sliding_window("window", Quota::per_day(50)).expect("a quota");
    let policies = [per_day("api", 50), per_day("parts", 49), window];
    let mut keys = keys(&cluster).to_vec();
    // Redis takes an empty tag for none: the policies of this key must be in one slot too.
    keys.push(String::new());
    for key in &keys {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..100 {
            let limiter = limiters[task % 2].clone();
            let (policies, key) = (policies.clone(), key.clone());
            tasks.spawn(async move {
                let one = limiter.check(check(&policies[0], &key)).await;
                assert!(one.state().is_some(), "{one:?}");
                let checks = policies.each_ref().map(|policy| check(policy, &key));
                let all = limiter.check_all(&checks).await;
                assert!(all.doubt().is_none() && all.is_atomic(), "{all:?}");
                (u64::from(one.is_admitted()), u64::from(all.is_admitted()))
            });
        }
        let (mut ones, mut together) = (0, 0);
        for (one, all) in tasks.join_all().await {
            ones += one;
            together += all;
        }
        assert_eq!(ones + together, 50, "{key}");
        for (policy, used) in policies.iter().zip([ones + together, together, together]) {
            let check = check(policy, key);
            let left = limiters[0].peek(check).await.expect("an answer").remaining;
            assert_eq!(left, u64::from(policy.limit()) - used, "{key} {policy:?}");
            limiters[0].reset(check).await.expect("an answer");
            // The other one may remember a denial for a second.
            assert!(limiters[0].check(check).await.is_admitted());
            limiters[1].refund(check).await.expect("an answer");
            let left = limiters[0].peek(check).await.expect("an answer").remaining;
            assert_eq!(left, u64::from(policy.limit()));
        }
        let slots = Concurrency::new("slots", 1, PATIENCE).expect("a lease");
        let permit = limiters[0].acquire(&slots, key).await.expect("a free slot");
        assert!(limiters[1].acquire(&slots, key).await.is_err());
        drop(permit);
        let acquire = async || limiters[1].acquire(&slots, key).await;
        drop(wait_for(acquire, PATIENCE).await);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn limits_of_different_nodes_are_taken_all_or_none_and_the_verdict_says_that_it_took_two_steps()
 {
    let mut cluster = Cluster::start(&[]).expect("a cluster");
    let limiter = with_budget(store(&cluster), BUDGET);
    let keys = keys(&cluster);
    let api = per_day("api", 10);
    let window = Policy::fixed_window("window", Quota::per_day(8)).expect("a quota");
    let checks = [
        check(&api, &keys[0]),
        check(&window, &keys[1]).cost(2).expect("within the limit"),
        check(&api, &keys[2]),
        check(&window, &keys[1]),
    ];
    let left = async || {
        let mut left = Vec::new();
        for check in checks {
            left.push(limiter.peek(check).await.expect("an answer").remaining);
        }
        left
    };
    let first = async || {
        let verdict = limiter.check_all(&checks).await;
        verdict
            .doubt()
            .is_none()
            .then_some(verdict)
            .ok_or("in doubt")
    };
    let admitted = wait_for(first, PATIENCE).await;
    assert!(admitted.is_admitted() && !admitted.is_atomic());
    let states = |verdict: &redis_ratelimit::Verdict| -> Vec<u64> {
        verdict
            .states()
            .iter()
            .map(|state| state.remaining)
            .collect()
    };
    // Of the two for one key, the later one's state is that after both.
    assert_eq!(states(&admitted), [9, 6, 9, 5]);
    assert_eq!(left().await, [9, 5, 9, 5]);
    assert!(limiter.check_all(&checks).await.is_admitted());
    assert_eq!(left().await, [8, 2, 8, 2]);

    let denied = limiter.check_all(&checks).await;
    assert!(!denied.is_admitted() && !denied.is_atomic());
    assert_eq!(denied.binding(), Some(3), "{denied:?}");
    assert_eq!(states(&denied), [8, 2, 8, 2]);
    assert_eq!(left().await, [8, 2, 8, 2], "what was taken is given back");

    // One of the nodes is away.
    limiter.reset(checks[1]).await.expect("an answer");
    let away = cluster
        .master_of(&format!("rl:{{{}}}:api", keys[2]))
        .expect("a master");
    cluster.nodes_mut()[away].kill9();
    let verdict = limiter.check_all(&checks).await;
    assert!(
        verdict.doubt().is_some() && !verdict.is_admitted(),
        "{verdict:?}"
    );
    let others = [checks[0], checks[1]].map(async |check| limiter.peek(check).await);
    for (other, expected) in others.into_iter().zip([8, 8]) {
        assert_eq!(other.await.expect("an answer").remaining, expected);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn limits_of_thousands_of_keys_are_taken_together() {
    let cluster = Cluster::start(&[]).expect("a cluster");
    let limiter = with_budget(store(&cluster), PATIENCE);
    let policy = per_day("api", 2);
    for count in [500, 4_000] {
        let keys: Vec<_> = (0..count)
            .map(|number| format!("{count}:{number}"))
            .collect();
        let checks: Vec<_> = keys.iter().map(|key| check(&policy, key)).collect();
        let asked = Instant::now();
        let verdict = limiter.check_all(&checks).await;
        println!("{count} keys: {:?}", asked.elapsed());
        assert!(verdict.is_admitted(), "{:?}", verdict.doubt());
        // Once more from the last one, and all the others are left as they are.
        let last = checks[count - 1];
        assert!(limiter.check(last).await.is_admitted());
        let verdict = limiter.check_all(&checks).await;
        assert_eq!(verdict.binding(), Some(count - 1));
        for check in [checks[0], checks[count / 2]] {
            let left = limiter.peek(check).await.expect("an answer").remaining;
            assert_eq!(left, 1, "of {count}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server"]
async fn what_denied_verdicts_have_taken_on_other_nodes_is_given_back_whoever_asks_meanwhile() {
    let cluster = Cluster::start(&[]).expect("a cluster");
    let limiters = [(); 2].map(|()| with_budget(store(&cluster), PATIENCE));
    let keys = keys(&cluster);
    let policies = [
        per_day("api", 60),
        per_day("api", 40),
        per_day("api", 1_000),
    ];
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..16 {
        let (limiter, keys, policies) =
            (limiters[task % 2].clone(), keys.clone(), policies.clone());
        tasks.spawn(async move {
            let mut admitted = 0;
            for _ in 0..20 {
                let checks = [0, 1, 2].map(|nth| check(&policies[nth], &keys[nth]));
                let verdict = limiter.check_all(&checks).await;
                assert!(
                    verdict.doubt().is_none() && !verdict.is_atomic(),
                    "{verdict:?}"
                );
                admitted += u64::from(verdict.is_admitted());
            }
            admitted
        });
    }
    let admitted: u64 = tasks.join_all().await.into_iter().sum();
    assert!((1..=40).contains(&admitted), "{admitted}");
    for (policy, key) in policies.iter().zip(&keys) {
        let left = limiters[0].peek(check(policy, key)).await;
        let used = u64::from(policy.limit()) - left.expect("an answer").remaining;
        assert_eq!(used, admitted, "{policy:?}");
    }
}

/// A cluster with a proxy in front of each node, by which it is known, in the order of the nodes.
fn behind_proxies() -> (Cluster, Vec<Proxy>) {
    let proxies = RefCell::new(HashMap::new());
    let cluster = Cluster::start_with(|addr| {
        let proxy = Proxy::to(addr).expect("a port");
        // The nodes reach each other without it.
        let (port, bus_port) = (proxy.addr().port(), addr.port() + 10_000);
        proxies.borrow_mut().insert(addr, proxy);
        let args = format!("--cluster-announce-port {port} --cluster-announce-bus-port {bus_port}");
        args.split(' ').map(str::to_owned).collect()
    });
    let (cluster, mut proxies) = (cluster.expect("a cluster"), proxies.into_inner());
    let of = |node: &Redis| proxies.remove(&node.addr()).expect("it was started");
    let proxies = cluster.nodes().iter().map(of).collect();
    (cluster, proxies)
}

/// A key that the first node serves: a third of all slots.
fn key_of_the_first(cluster: &Cluster) -> String {
    let client = redis::Client::open(cluster.nodes()[0].url()).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    let mut keys = (0..).map(|number| format!("user:{number}"));
    let is_there = |key: &String| {
        let mut slot = redis::cmd("CLUSTER");
        let slot: u16 = slot
            .arg("KEYSLOT")
            .arg(key)
            .query(&mut connection)
            .expect("a slot");
        slot < 5_000
    };
    keys.find(is_there).expect("one of them")
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_link_to_a_node_that_fails_is_what_it_is_to_a_single_server() {
    let (cluster, proxies) = behind_proxies();
    let key = key_of_the_first(&cluster);
    let urls = proxies
        .iter()
        .map(|proxy| format!("redis://{}", proxy.addr()));
    let urls: Vec<_> = urls.collect();
    let policy = plenty("api");
    let direct = with_budget(RedisStore::cluster(&urls).expect("URLs"), PATIENCE);
    let used = async || {
        let left = direct.peek(check(&policy, &key)).await;
        u64::from(PLENTY) - left.expect("an answer").remaining
    };
    for link in [Link::LoseReplies, Link::Reset, Link::CutReplyAfter(3)] {
        let limiter = with_budget(RedisStore::cluster(&urls).expect("URLs"), BUDGET);
        let peek = async || limiter.peek(check(&policy, &key)).await;
        // So that the node knows the script.
        wait_for(
            async || limiter.check(check(&policy, &key)).await.is_admitted(),
            PATIENCE,
        )
        .await;
        let before = used().await;
        proxies[0].set(link);
        let asked = Instant::now();
        let decision = limiter.check(check(&policy, &key)).await;
        assert!(
            asked.elapsed() < BUDGET + SLACK,
            "{link:?}: {:?}",
            asked.elapsed()
        );
        proxies[0].set(Link::Pass);
        // A request that may have been carried out is not sent again, to nobody.
        let told = match &decision {
            Decision::Allowed(_) => Applied::No,
            decision => fault(decision).1,
        };
        wait_for(peek, PATIENCE).await;
        wait_for(async || direct.peek(check(&policy, &key)).await, PATIENCE).await;
        let charged = used().await - before;
        match (link, told) {
            (Link::LoseReplies, _) => assert_eq!((told, charged), (Applied::Maybe, 1)),
            (_, Applied::No) => {
                assert_eq!(charged, u64::from(decision.is_admitted()), "{link:?}");
            }
            (_, Applied::Maybe) => assert!(charged <= 1, "{link:?}: {charged}"),
        }
    }
    // The network forgets the connection: a new one within two budgets.
    let limiter = with_budget(RedisStore::cluster(&urls).expect("URLs"), BUDGET);
    let is_decided = async || match limiter.check(check(&policy, &key)).await {
        Decision::Unknown(doubt) => Err(doubt),
        _ => Ok(()),
    };
    wait_for(is_decided, PATIENCE).await;
    proxies[0].orphan();
    let forgotten = Instant::now();
    wait_for(is_decided, PATIENCE).await;
    assert!(
        forgotten.elapsed() < 2 * BUDGET + SLACK,
        "{:?}",
        forgotten.elapsed()
    );
}

/// So many units that nobody waits for one, and none comes back while a test runs.
fn plenty(name: &str) -> Policy {
    let years = Duration::from_secs(60 * 365 * 86_400);
    Policy::gcra(name, Quota::per(PLENTY, years)).expect("a quota")
}

const PLENTY: u32 = 1_000_000;

/// Tasks that ask for a key until they are stopped: what they are told.
struct Asking {
    stop: Arc<AtomicBool>,
    tasks: tokio::task::JoinSet<u64>,
}

impl Asking {
    fn start(limiter: &Limiter, policies: &[Policy], key: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8 {
            let (limiter, stop) = (limiter.clone(), Arc::clone(&stop));
            let (policies, key) = (policies.to_vec(), key.to_owned());
            tasks.spawn(async move {
                let mut admitted = 0;
                let policies = &policies[..=task % policies.len()];
                while !stop.load(Ordering::SeqCst) {
                    let checks: Vec<_> =
                        policies.iter().map(|policy| check(policy, &key)).collect();
                    let verdict = limiter.check_all(&checks).await;
                    assert!(verdict.doubt().is_none(), "{verdict:?}");
                    admitted += u64::from(verdict.is_admitted());
                    tokio::task::yield_now().await;
                }
                admitted
            });
        }
        Self { stop, tasks }
    }

    async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.join_all().await.into_iter().sum()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server"]
async fn nobody_notices_that_a_slot_moves_to_another_node() {
    let cluster = Cluster::start(&[]).expect("a cluster");
    // The permissions that the book lists are enough.
    let nodes = cluster.nodes().iter();
    let urls = nodes.map(|node| as_limited_user(node, "+cluster|slots +asking"));
    let store = RedisStore::cluster(urls.collect::<Vec<_>>()).expect("URLs");
    let limiter = with_budget(store.clone(), PATIENCE);
    let key = &keys(&cluster)[0];
    let name = format!("rl:{{{key}}}:api");
    let policies = [plenty("api"), plenty("other")];
    let asking = Asking::start(&limiter, &policies, key);
    let used = async || {
        let left = limiter.peek(check(&policies[0], key)).await;
        u64::from(PLENTY) - left.expect("an answer").remaining
    };
    // MOVED, ASK, and for those who ask for both policies TRYAGAIN while one of them has moved.
    for to in [1, 2, 0] {
        let before = used().await;
        let is_used = async || used().await > before + 20;
        wait_for(is_used, PATIENCE).await;
        let moving = cluster.start_move(&name, to).expect("a master");
        let before = used().await;
        moving.move_a_key().expect("an answer").expect("a key");
        // Those who ask for one policy go on, those for both wait.
        let is_used = async || used().await > before + 20;
        wait_for(is_used, PATIENCE).await;
        moving.finish().expect("an answer");
    }
    let before = used().await;
    wait_for(async || used().await > before + 20, PATIENCE).await;
    let admitted = asking.stop().await;
    assert_eq!(used().await, admitted, "each is charged once");
    assert_eq!(store.state_losses(), 0, "nothing was lost");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_long_budget_is_not_spent_on_a_node_whose_replica_has_taken_over() {
    let settings = ["--cluster-require-full-coverage", "no"];
    let cluster = Cluster::start(&settings).expect("a cluster");
    let limiter = with_budget(store(&cluster), 3 * PATIENCE);
    let [key, ..] = keys(&cluster);
    let policy = per_day("api", 50);
    let is_decided = async || limiter.peek(check(&policy, &key)).await;
    wait_for(is_decided, PATIENCE).await;
    cluster.nodes()[0].pause();
    let started = Instant::now();
    // As many as are sent at once, and one that waits for them.
    let asked = (0..3).map(|_| {
        let (limiter, policy, key) = (limiter.clone(), policy.clone(), key.clone());
        tokio::spawn(async move { limiter.check(check(&policy, &key)).await })
    });
    let mut decided = 0;
    for asked in asked.collect::<Vec<_>>() {
        match asked.await.expect("no panic") {
            Decision::Allowed(_) => decided += 1,
            decision => {
                let told = (FaultKind::ConnectionLost, Applied::Maybe);
                assert_eq!(fault(&decision), told, "{decision:?}");
            }
        }
    }
    assert_eq!(decided, 1);
    assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());
    cluster.nodes()[0].resume();
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_node_that_dies_is_a_doubt_for_its_keys_alone_until_its_replica_takes_over() {
    for pauses in [false, true] {
        // Otherwise no node serves anything while a single one is away.
        let settings = ["--cluster-require-full-coverage", "no"];
        let mut cluster = Cluster::start(&settings).expect("a cluster");
        let store = store(&cluster);
        let limiter = with_budget(store.clone(), BUDGET);
        let [key, others @ ..] = keys(&cluster);
        let policy = per_day("api", 50);
        let plenty = plenty("plenty");
        let mut admitted = 0;
        // The first ones find their way to each node.
        for key in [&key, &others[0], &others[1]] {
            let is_decided = async || limiter.peek(check(&policy, key)).await;
            wait_for(is_decided, PATIENCE).await;
        }
        for _ in 0..30 {
            let decision = limiter.check(check(&policy, &key)).await;
            admitted += u64::from(matches!(decision, Decision::Allowed(_)));
        }
        assert_eq!(admitted, 30);
        if pauses {
            cluster.nodes()[0].pause();
        } else {
            cluster.nodes_mut()[0].kill9();
        }
        let mut in_doubt = 0;
        let started = Instant::now();
        while in_doubt < 20 || store.state_losses() == 0 {
            assert!(started.elapsed() < PATIENCE, "{in_doubt} in doubt");
            let asked = Instant::now();
            let decision = limiter.check(check(&policy, &key)).await;
            assert!(asked.elapsed() < BUDGET + SLACK, "{:?}", asked.elapsed());
            match decision {
                Decision::Unknown(_) => in_doubt += 1,
                decision => admitted += u64::from(decision.is_admitted()),
            }
            // Keys of other nodes have nothing to do with it.
            for other in &others {
                let decision = limiter.check(check(&plenty, other)).await;
                assert!(matches!(decision, Decision::Allowed(_)), "{decision:?}");
            }
        }
        let is_decided = async || limiter.peek(check(&policy, &key)).await;
        wait_for(is_decided, PATIENCE).await;
        for _ in 0..60 {
            let decision = limiter.check(check(&policy, &key)).await;
            admitted += u64::from(matches!(decision, Decision::Allowed(_)));
        }
        assert_eq!(store.state_losses(), 1);
        assert!(
            (50..=100).contains(&admitted),
            "a burst for a loss: {admitted}"
        );
        if pauses {
            cluster.nodes()[0].resume();
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn nobody_notices_that_a_replica_takes_over_as_it_is_told_to() {
    let cluster = Cluster::start(&[]).expect("a cluster");
    let store = store(&cluster);
    let limiter = with_budget(store.clone(), PATIENCE);
    let key = &keys(&cluster)[0];
    let policies = [plenty("api")];
    let asking = Asking::start(&limiter, &policies, key);
    let used = async || {
        let left = limiter.peek(check(&policies[0], key)).await;
        u64::from(PLENTY) - left.expect("an answer").remaining
    };
    wait_for(async || used().await > 20, PATIENCE).await;
    let replica = &cluster.nodes()[3];
    let client = redis::Client::open(replica.url()).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    let mut take_over = redis::cmd("CLUSTER");
    take_over
        .arg("FAILOVER")
        .exec(&mut connection)
        .expect("a replica");
    // It may have lost something, as far as anybody can tell.
    wait_for(async || store.state_losses() == 1, PATIENCE).await;
    let before = used().await;
    wait_for(async || used().await > before + 20, PATIENCE).await;
    let admitted = asking.stop().await;
    assert_eq!(used().await, admitted, "each is charged once");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cluster_that_is_away_costs_the_budget_and_then_nothing() {
    let mut cluster = Cluster::start(&[]).expect("a cluster");
    let limiter = with_budget(store(&cluster), BUDGET);
    for node in cluster.nodes_mut() {
        node.kill9();
    }
    let policy = per_day("api", 10);
    let mut last = None;
    for _ in 0..10 {
        let asked = Instant::now();
        let decision = limiter.check(check(&policy, "key")).await;
        assert!(asked.elapsed() < BUDGET + SLACK, "{:?}", asked.elapsed());
        assert_eq!(fault(&decision).1, Applied::No, "{decision:?}");
        last = Some(fault(&decision).0);
    }
    assert_eq!(last, Some(FaultKind::BreakerOpen));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cluster_that_has_just_been_found_away_costs_no_budget() {
    let mut cluster = Cluster::start(&[]).expect("a cluster");
    for node in cluster.nodes_mut() {
        node.kill9();
    }
    // Less than there is between two looks at who serves what, so that who waits for one is late.
    let limiter = with_budget(store(&cluster), Duration::from_millis(95));
    let policy = per_day("api", 10);
    let mut kinds = Vec::new();
    for _ in 0..4 {
        kinds.push(fault(&limiter.check(check(&policy, "key")).await).0);
    }
    let late = kinds
        .iter()
        .filter(|kind| **kind == FaultKind::Timeout)
        .count();
    assert!(late <= 1, "{kinds:?}");
}

#[tokio::test]
async fn a_cluster_without_a_node_is_told_without_connecting() {
    let none: [&str; 0] = [];
    for urls in [
        &none[..],
        &["redis://127.0.0.1", "nonsense"],
        &["redis://127.0.0.1/1"],
    ] {
        let fault = RedisStore::cluster(urls).expect_err("it is none");
        assert_eq!(fault.kind(), FaultKind::InvalidUrl, "{urls:?}");
        assert!(std::error::Error::source(&fault).is_some(), "{urls:?}");
    }
}
