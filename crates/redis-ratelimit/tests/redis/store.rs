//! The Redis store: what all stores promise, and what only a shared one can.

use std::time::Duration;

use redis::{Client, Commands, Connection};
use redis_ratelimit::{
    Applied, Check, Concurrency, Decision, FailurePolicy, FaultKind, Limiter, LimiterBuilder,
    Policy, Quota, RedisStore,
};
use testkit::{Keys, every_await, wait_for};

const PATIENCE: Duration = Duration::from_secs(10);

crate::conformance::conformance!(limiter(), #[ignore = "needs redis"]);

/// A limiter with keys of its own.
fn limiter() -> (Limiter, Keys) {
    let keys = testkit::redis();
    (on(&keys), keys)
}

pub(crate) fn on(keys: &Keys) -> Limiter {
    builder(keys).build()
}

pub(crate) fn builder(keys: &Keys) -> LimiterBuilder {
    // A name that ends in ':' would not be one.
    let namespace = keys.prefix().trim_end_matches(':');
    let store = RedisStore::open(keys.url()).expect("a URL");
    let store = store.namespace(namespace).expect("a name");
    Limiter::builder()
        .redis(store, FailurePolicy::Closed)
        // These tests are not about time, and the machine may be busy.
        .budget(PATIENCE)
}

fn connection(keys: &Keys) -> Connection {
    let client = Client::open(keys.url()).expect("a URL");
    client.get_connection().expect("the server answers")
}

fn policies() -> [Policy; 3] {
    let quota = Quota::per_hour(5);
    [
        Policy::gcra("gcra", quota),
        Policy::fixed_window("fixed", quota),
        Policy::sliding_window("sliding", quota),
    ]
    .map(|policy| policy.expect("a quota"))
}

fn check<'a>(policy: &'a Policy, key: &'a str) -> Check<'a> {
    Check::new(policy, key).expect("a short key")
}

#[tokio::test]
#[ignore = "needs redis"]
async fn limiters_of_different_processes_share_one_limit() {
    let (first, keys) = limiter();
    let second = on(&keys);
    for policy in policies() {
        for limiter in [&first, &second, &first, &second, &first] {
            assert!(limiter.check(check(&policy, "key")).await.is_admitted());
        }
        for limiter in [&first, &second] {
            assert!(!limiter.check(check(&policy, "key")).await.is_admitted());
        }
    }
}

#[tokio::test]
#[ignore = "needs redis"]
async fn each_key_expires_when_it_counts_no_more() {
    let (limiter, keys) = limiter();
    let slots = Concurrency::new("slots", 1, PATIENCE).expect("a lease");
    let permit = limiter.acquire(&slots, "key").await.expect("a free slot");
    for policy in policies() {
        let check = check(&policy, "key");
        for _ in 0..6 {
            assert!(!matches!(limiter.check(check).await, Decision::Unknown(_)));
        }
        limiter.refund(check).await.expect("the store answers");
    }
    let mut connection = connection(&keys);
    let all: Vec<String> = connection
        .keys(format!("{}*", keys.prefix()))
        .expect("a pattern");
    assert_eq!(all.len(), 4, "{all:?}");
    for key in all {
        let ttl_ms: i64 = connection.pttl(&key).expect("a key");
        // A sliding window is kept for a tenth longer than it is long.
        assert!((1..=3_960_000).contains(&ttl_ms), "{key}: {ttl_ms} ms");
    }
    drop(permit);
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_key_that_has_lost_its_time_to_live_gets_it_back() {
    let (limiter, keys) = limiter();
    let mut connection = connection(&keys);
    for policy in policies() {
        let check = check(&policy, "key");
        assert!(limiter.check(check).await.is_admitted());
        let key = keys.key(&format!("{{key}}:{}", policy.name()));
        let kept: bool = connection.persist(&key).expect("a key");
        assert!(kept, "{key}");
        assert!(limiter.check(check).await.is_admitted());
        let ttl_ms: i64 = connection.pttl(&key).expect("a key");
        assert!(ttl_ms > 0, "{key}: {ttl_ms}");
    }
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_damaged_value_counts_for_nothing_and_is_replaced() {
    let (limiter, keys) = limiter();
    let mut connection = connection(&keys);
    for policy in policies() {
        let key = keys.key(&format!("{{key}}:{}", policy.name()));
        for damage in ["garbage", "", "nan", "-1", "1:2:3"] {
            let _: () = connection.set(&key, damage).expect("a plain command");
            let decision = limiter.check(check(&policy, "key")).await;
            assert!(
                decision.is_admitted(),
                "{policy:?} {damage:?}: {decision:?}"
            );
            assert_eq!(
                decision.state().expect("an answer").remaining,
                4,
                "{policy:?} {damage:?}"
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs redis"]
async fn another_programs_key_is_left_alone_and_told_by_its_kind() {
    let (limiter, keys) = limiter();
    let mut connection = connection(&keys);
    for policy in policies() {
        let key = keys.key(&format!("{{key}}:{}", policy.name()));
        let _: () = connection.rpush(&key, "theirs").expect("a plain command");
        let decision = limiter.check(check(&policy, "key")).await;
        let Decision::Unknown(doubt) = decision else {
            panic!("{decision:?}");
        };
        assert_eq!(doubt.cause().kind(), FaultKind::WrongType);
        assert_eq!(doubt.cause().applied(), Applied::No);
        assert!(
            doubt
                .cause()
                .to_string()
                .contains("choose another namespace")
        );
        let theirs: Vec<String> = connection.lrange(&key, 0, -1).expect("a list");
        assert_eq!(theirs, ["theirs"]);
    }
    // One of several: nothing is taken from the others.
    let [gcra, fixed, _] = policies();
    let other = Policy::gcra("other", Quota::per_hour(5)).expect("a quota");
    let checks = [
        check(&other, "key"),
        check(&fixed, "key"),
        check(&gcra, "key"),
    ];
    assert!(limiter.check_all(&checks).await.doubt().is_some());
    let left = limiter.peek(check(&other, "key")).await.expect("an answer");
    assert_eq!(left.remaining, 5);
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_changed_quota_applies_at_once_and_keeps_the_debt() {
    let (limiter, _keys) = limiter();
    let second = Duration::from_secs(1);
    let window = |limit, window| Policy::fixed_window("p", Quota::per(limit, window));
    let old = window(5, second * 3_600).expect("a quota");
    for _ in 0..5 {
        assert!(limiter.check(check(&old, "key")).await.is_admitted());
    }
    let raised = window(7, second * 3_600).expect("a quota");
    let decision = limiter.check(check(&raised, "key")).await;
    assert_eq!(decision.state().expect("an answer").remaining, 1);
    let cut = window(2, second * 60).expect("a quota");
    let denied = limiter.check(check(&cut, "key")).await;
    assert!(
        denied.retry_after().is_some_and(|wait| wait <= second * 60),
        "{denied:?}"
    );
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_peek_writes_nothing() {
    let (limiter, keys) = limiter();
    for policy in policies() {
        let state = limiter
            .peek(check(&policy, "key"))
            .await
            .expect("an answer");
        assert_eq!((state.limit, state.remaining), (5, 5));
    }
    let mut connection = connection(&keys);
    let all: Vec<String> = connection
        .keys(format!("{}*", keys.prefix()))
        .expect("a pattern");
    assert!(all.is_empty(), "{all:?}");
}

#[tokio::test]
#[ignore = "needs redis"]
async fn namespaces_do_not_share_their_counts() {
    let keys = testkit::redis();
    let policy = Policy::gcra("p", Quota::per_hour(1)).expect("a quota");
    for name in ["a", "b"] {
        let store = RedisStore::open(keys.url()).expect("a URL");
        let store = store
            .namespace(&keys.key(name).replace(':', "_"))
            .expect("a name");
        let limiter = Limiter::builder()
            .redis(store, FailurePolicy::Closed)
            .budget(PATIENCE)
            .build();
        assert!(limiter.check(check(&policy, "key")).await.is_admitted());
        limiter
            .reset(check(&policy, "key"))
            .await
            .expect("an answer");
    }
    let store = RedisStore::open(keys.url()).expect("a URL");
    for namespace in ["", "a:b", "a{b", "a}b", "größe"] {
        assert!(store.clone().namespace(namespace).is_err(), "{namespace}");
    }
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_check_dropped_at_any_await_takes_its_unit_or_does_not() {
    let (limiter, _keys) = limiter();
    let policy = Policy::gcra("p", Quota::per_hour(100)).expect("a quota");
    let check = check(&policy, "key");
    let mut most = 0;
    let awaits = every_await(
        async || assert!(limiter.check(check).await.is_admitted()),
        async |_| {
            most += 1;
            let left = limiter.peek(check).await.expect("an answer").remaining;
            assert!(
                (100 - most..=100).contains(&left),
                "{left} left after {most}"
            );
        },
    )
    .await;
    assert!(awaits > 0);
}

#[tokio::test]
#[ignore = "needs redis"]
async fn an_acquire_dropped_at_any_await_leaves_no_slot_behind() {
    let (limiter, keys) = limiter();
    let slots = Concurrency::new("slots", 1, Duration::from_secs(600)).expect("a lease");
    let mut connection = connection(&keys);
    let awaits = every_await(
        async || limiter.acquire(&slots, "key").await.expect("a free slot"),
        async |at| {
            let is_free = async || {
                let held: bool = connection.exists(keys.key("{key}:slots")).expect("a key");
                if held { Err(at) } else { Ok(()) }
            };
            wait_for(is_free, PATIENCE).await;
        },
    )
    .await;
    assert!(awaits > 0);
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_slot_is_renewed_while_its_permit_lives_and_free_when_its_node_is_dead() {
    let (limiter, keys) = limiter();
    let lease = Duration::from_millis(300);
    let slots = Concurrency::new("slots", 1, lease).expect("a lease");
    let permit = limiter.acquire(&slots, "key").await.expect("a free slot");
    let started = std::time::Instant::now();
    let mut connection = connection(&keys);
    let key = keys.key("{key}:slots");
    let first: Vec<(String, f64)> = connection.zrange_withscores(&key, 0, -1).expect("a set");
    wait_for(
        async || {
            let now: Vec<(String, f64)> = connection.zrange_withscores(&key, 0, -1).expect("a set");
            now.iter()
                .any(|(_, ends)| *ends > first[0].1 + 2.0 * 300_000.0)
        },
        PATIENCE,
    )
    .await;
    assert!(
        started.elapsed() > lease,
        "it was renewed beyond its first lease"
    );
    assert!(permit.is_held());
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_shorter_lease_of_another_process_cuts_no_slot() {
    let (limiter, keys) = limiter();
    let day = Duration::from_secs(86_400);
    let slots = |lease| Concurrency::new("slots", 2, lease).expect("a lease");
    let _first = limiter
        .acquire(&slots(day), "key")
        .await
        .expect("a free slot");
    let mut connection = connection(&keys);
    let key = keys.key("{key}:slots");
    let last_end = |connection: &mut Connection| -> f64 {
        let all: Vec<(String, f64)> = connection.zrange_withscores(&key, 0, -1).expect("a set");
        all.last().expect("a permit").1
    };
    let until = last_end(&mut connection);
    let _second = on(&keys)
        .acquire(&slots(PATIENCE), "key")
        .await
        .expect("a free slot");
    assert_eq!(last_end(&mut connection).to_bits(), until.to_bits());
    let ttl_ms: u64 = connection.pttl(&key).expect("a key");
    assert!(ttl_ms > 80_000_000, "the key goes in {ttl_ms} ms");
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_dropped_permit_leaves_no_task_behind_that_could_take_its_slot_anew() {
    let (limiter, _keys) = limiter();
    // The first renewal would be due in hours.
    let day = Duration::from_secs(86_400);
    let slots = Concurrency::new("slots", 1, day).expect("a lease");
    let policy = Policy::gcra("p", Quota::per_hour(5)).expect("a quota");
    limiter
        .peek(check(&policy, "key"))
        .await
        .expect("a connection");
    let tasks = tokio::runtime::Handle::current().metrics();
    let is_idle = async || match tasks.num_alive_tasks() {
        1 => Ok(()), // the client's own, as long as it is connected
        alive => Err(alive),
    };
    wait_for(is_idle, PATIENCE).await;
    let permit = limiter.acquire(&slots, "key").await.expect("a free slot");
    assert_eq!(tasks.num_alive_tasks(), 2, "the renewal");
    drop(permit);
    wait_for(is_idle, PATIENCE).await;
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_slot_is_free_a_lease_after_its_node_has_died() {
    let (limiter, keys) = limiter();
    let slots = Concurrency::new("slots", 1, Duration::from_millis(300)).expect("a lease");
    let (node, its_slots) = (on(&keys), slots.clone());
    let dying = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let permit = runtime.block_on(node.acquire(&its_slots, "key"));
        // Neither renewed, since its runtime ends, nor released.
        std::mem::forget(permit.expect("a free slot"));
    });
    dying.join().expect("no panic");
    assert!(
        limiter.acquire(&slots, "key").await.is_err(),
        "it is still leased"
    );
    drop(wait_for(async || limiter.acquire(&slots, "key").await, PATIENCE).await);
}
