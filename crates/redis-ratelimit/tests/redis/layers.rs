//! What stands in front of the store changes nothing but the cost.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use redis_ratelimit::{Applied, Check, Decision, FaultKind, Limiter, Policy, Quota, Source};
use testkit::{Keys, every_await};
use tokio::task::JoinSet;

use crate::store::builder;

crate::conformance::conformance!(limiter(), #[ignore = "needs redis"]);

/// A limiter with all layers, and keys of its own.
fn limiter() -> (Limiter, Keys) {
    let keys = testkit::redis();
    (on(&keys), keys)
}

fn on(keys: &Keys) -> Limiter {
    builder(keys).coalesce().deny_cache(1_000).build()
}

#[tokio::test]
#[ignore = "needs redis"]
async fn what_is_printed_for_a_person_holds_no_key() {
    let ((limiter, _keys), policy) = (limiter(), gcra(1));
    for _ in 0..2 {
        let _ = limiter.check(check(&policy, "secret")).await;
    }
    let bytes: Vec<_> = "secret".bytes().map(|byte| byte.to_string()).collect();
    let printed = format!("{limiter:?}");
    assert!(!printed.contains("secret"), "{printed}");
    assert!(!printed.contains(&bytes.join(", ")), "{printed}");
}

fn gcra(units: u32) -> Policy {
    Policy::gcra("p", Quota::per_hour(units)).expect("a quota")
}

fn check<'a>(policy: &'a Policy, key: &'a str) -> Check<'a> {
    Check::new(policy, key).expect("a short key")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis"]
async fn nodes_with_all_layers_admit_the_limit_exactly() {
    let (first, keys) = limiter();
    let nodes = [first, on(&keys), on(&keys), on(&keys)];
    let costs = [1, 1, 1, 2, 3];
    let mut tasks = JoinSet::new();
    for (node, task) in (0..64).map(|task| (nodes[task % 4].clone(), task)) {
        tasks.spawn(async move {
            let (policy, mut units) = (gcra(1_024), 0);
            for nth in 0..40 {
                let key = ["a", "b", "c"][(task + nth) % 3];
                let cost = costs[(task + nth) % 5];
                let check = check(&policy, key).cost(cost).expect("within the limit");
                let decision = node.check(check).await;
                assert!(!matches!(decision, Decision::Unknown(_)), "{decision:?}");
                units += if decision.is_admitted() {
                    u64::from(cost)
                } else {
                    0
                };
            }
            units
        });
    }
    let admitted: u64 = tasks.join_all().await.into_iter().sum();
    let policy = gcra(1_024);
    let mut left = 0;
    for key in ["a", "b", "c"] {
        left += nodes[0]
            .peek(check(&policy, key))
            .await
            .expect("an answer")
            .remaining;
    }
    assert_eq!(admitted + left, 3 * 1_024);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis"]
async fn callers_that_go_away_cost_the_others_nothing_but_their_units() {
    let (limiter, _keys) = limiter();
    let mut tasks = JoinSet::new();
    for task in 0..300_u32 {
        let limiter = limiter.clone();
        let aborted = tasks.spawn(async move {
            let policy = gcra(200);
            let decision = limiter.check(check(&policy, "key")).await;
            assert!(!matches!(decision, Decision::Unknown(_)), "{decision:?}");
            u64::from(decision.is_admitted())
        });
        if task % 3 == 0 {
            aborted.abort();
        }
        if task % 7 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut admitted = 0;
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(units) => admitted += units,
            Err(error) => assert!(error.is_cancelled(), "{error}"),
        }
    }
    // The aborted ones may have taken theirs. So nobody is admitted too much, and at the end
    // nothing is left.
    assert!((100..=200).contains(&admitted), "{admitted}");
    let left = limiter
        .peek(check(&gcra(200), "key"))
        .await
        .expect("an answer")
        .remaining;
    assert!(admitted + left <= 200, "{admitted} and {left}");
}

#[tokio::test]
#[ignore = "needs redis"]
async fn another_programs_key_costs_those_who_share_a_call_with_it_nothing() {
    let (limiter, keys) = limiter();
    let client = redis::Client::open(keys.url()).expect("a URL");
    let mut connection = client.get_connection().expect("the server answers");
    for name in ["p", "window", "parts"] {
        redis::cmd("RPUSH")
            .arg(keys.key(&format!("{{theirs}}:{name}")))
            .arg("theirs")
            .exec(&mut connection)
            .expect("a plain command");
    }
    let window = Policy::fixed_window("window", Quota::per_hour(1_000)).expect("a quota");
    let parts = Policy::gcra("parts", Quota::per_hour(1_001)).expect("a quota");
    for policies in [vec![gcra(1_000)], vec![parts], vec![gcra(1_000), window]] {
        let mut tasks = JoinSet::new();
        for task in 0..64 {
            let (limiter, policies) = (limiter.clone(), policies.clone());
            tasks.spawn(async move {
                // The last limit of an order is the one that can't be looked at.
                let is_theirs = task % 4 == 0;
                let last = if is_theirs { "theirs" } else { "ours" };
                let mut checks: Vec<_> = policies
                    .iter()
                    .map(|policy| check(policy, "ours"))
                    .collect();
                *checks.last_mut().expect("a policy") =
                    check(policies.last().expect("a policy"), last);
                let verdict = limiter.check_all(&checks).await;
                if is_theirs {
                    let cause = verdict.doubt().expect("nobody looked").cause();
                    let told = (cause.kind(), cause.applied());
                    assert_eq!(told, (FaultKind::WrongType, Applied::No));
                } else {
                    assert!(verdict.is_admitted(), "{verdict:?}");
                }
            });
        }
        tasks.join_all().await;
        for policy in &policies {
            let left = limiter.peek(check(policy, "ours")).await;
            let used = u64::from(policy.limit()) - left.expect("an answer").remaining;
            assert_eq!(used, 48, "{policy:?}");
            limiter
                .reset(check(policy, "ours"))
                .await
                .expect("an answer");
        }
    }
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_check_that_waits_in_a_batch_can_be_dropped_at_any_await() {
    let keys = testkit::redis();
    let policy = gcra(1_000);
    let current = RefCell::new(on(&keys));
    let mut most = 0;
    let awaits = every_await(
        async || {
            // A new one each time: no call of the last one is under way that could take these
            // checks along, so the same two of them wait whatever the speed of the server.
            let limiter = on(&keys);
            current.replace(limiter.clone());
            // Two calls of their own, and two checks that wait for them.
            let one = || limiter.check(check(&policy, "key"));
            let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
            assert!([a, b, c, d].iter().all(Decision::is_admitted));
        },
        async |_| {
            most += 4;
            let limiter = current.borrow().clone();
            let left = limiter
                .peek(check(&policy, "key"))
                .await
                .expect("an answer")
                .remaining;
            assert!(
                (1_000 - most..=1_000).contains(&left),
                "{left} left after {most}"
            );
            // The queue goes on.
            assert!(limiter.check(check(&policy, "other")).await.is_admitted());
        },
    )
    .await;
    // For the connection, for the two calls, and for the one of those who have waited.
    assert!(awaits > 2, "it was dropped at {awaits} only");
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_remembered_denial_is_never_longer_than_the_stores() {
    let (limiter, _keys) = limiter();
    let quota = Quota::per(1, Duration::from_millis(20)).burst(5);
    for policy in [
        Policy::gcra("gcra", quota),
        Policy::fixed_window("fixed", Quota::per(5, Duration::from_millis(100))),
        Policy::sliding_window("sliding", Quota::per(5, Duration::from_millis(100))),
    ] {
        let policy = policy.expect("a quota");
        let (started, mut remembered, mut admitted) = (Instant::now(), 0, 0);
        let mut cost = 0;
        while started.elapsed() < Duration::from_millis(500) {
            cost = cost % 5 + 1;
            let check = check(&policy, "key").cost(cost).expect("within the limit");
            let asked = Instant::now();
            let decision = limiter.check(check).await;
            admitted += u32::from(decision.is_admitted());
            let state = *decision.state().expect("an answer");
            if state.source == Source::DenyCache {
                remembered += 1;
                let now = limiter.peek(check).await.expect("an answer");
                let longest = now.retry_after + asked.elapsed();
                assert!(
                    state.retry_after <= longest,
                    "{policy:?}: {state:?} {now:?}"
                );
            }
        }
        assert!(admitted > 3, "{policy:?}: {admitted}");
        assert_eq!(
            remembered > 10,
            policy.name() != "sliding",
            "{policy:?}: {remembered}"
        );
    }
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_refund_and_a_reset_end_a_remembered_denial() {
    let (limiter, keys) = limiter();
    let policy = gcra(1);
    let one = check(&policy, "key");
    let source = |decision: &Decision| decision.state().expect("an answer").source;
    for give_back in [true, false] {
        assert!(limiter.check(one).await.is_admitted());
        for expected in [Source::Store, Source::DenyCache, Source::DenyCache] {
            let denied = limiter.check(one).await;
            assert!(!denied.is_admitted());
            assert_eq!(source(&denied), expected);
        }
        if give_back {
            limiter.refund(one).await.expect("an answer");
        } else {
            limiter.reset(one).await.expect("an answer");
        }
        assert!(limiter.check(one).await.is_admitted());
        limiter.reset(one).await.expect("an answer");
    }
    // By another process: within a second.
    assert!(limiter.check(one).await.is_admitted());
    assert!(!limiter.check(one).await.is_admitted());
    on(&keys).reset(one).await.expect("an answer");
    let allowed = async || limiter.check(one).await.is_admitted();
    testkit::wait_for(allowed, Duration::from_secs(10)).await;
}
