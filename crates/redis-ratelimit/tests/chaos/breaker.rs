//! Rows about a Redis that is away, and what stands in for it.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use redis_ratelimit::{
    AcquireError, Applied, Concurrency, Decision, FailurePolicy, FaultKind, Source,
};
use testkit::{Link, Proxy, Redis, wait_for};

use crate::{PATIENCE, builder, check, fault, is_decided, policy, through};

fn local(nodes: u32) -> FailurePolicy {
    let nodes = NonZeroU32::new(nodes).expect("some nodes");
    FailurePolicy::Local { nodes }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn while_redis_is_away_the_declared_policy_decides() {
    let mut server = Redis::start(&[]).expect("a server");
    server.kill9();
    for (on_failure, admitted) in [
        (FailurePolicy::Open, 20),
        (FailurePolicy::Closed, 0),
        // A third of a burst of ten, rounded up.
        (local(3), 4),
    ] {
        let limiter = builder(&server.url(), on_failure).build();
        let policy = policy(10);
        let mut count = 0;
        for _ in 0..20 {
            let decision = limiter.check(check(&policy)).await;
            let Decision::Unknown(doubt) = &decision else {
                panic!("decided: {decision:?}");
            };
            assert_eq!(doubt.policy(), on_failure);
            assert_eq!(doubt.cause().applied(), Applied::No);
            count += u32::from(decision.is_admitted());
            if let Some(state) = doubt.local() {
                assert_eq!((state.source, state.limit), (Source::Local, 4));
            }
        }
        assert_eq!(count, admitted, "{on_failure:?}");

        let verdict = limiter.check_all(&[check(&policy), check(&policy)]).await;
        assert_eq!(verdict.is_admitted(), on_failure == FailurePolicy::Open);
        assert!(verdict.doubt().is_some());
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_cost_above_a_share_is_not_waited_for() {
    let mut server = Redis::start(&[]).expect("a server");
    server.kill9();
    let limiter = builder(&server.url(), local(3)).build();
    let policy = policy(10);
    let cost = |units| check(&policy).cost(units).expect("within the limit");
    let years = Duration::from_secs(86_400 * 365 * 100);
    let decision = limiter.until_ready(cost(5), years).await;
    assert!(!decision.is_admitted(), "more than a third");
    assert_eq!(decision.retry_after(), None);
    assert!(decision.state().expect("a share").is_permanent());
    assert!(limiter.check(cost(4)).await.is_admitted());

    let verdict = limiter.check_all(&[cost(3), cost(2)]).await;
    assert!(!verdict.is_admitted());
    assert_eq!(verdict.retry_after(), None);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_permit_without_redis_is_what_the_declared_policy_says() {
    let mut server = Redis::start(&[]).expect("a server");
    server.kill9();
    let slots = Concurrency::new("slots", 4, PATIENCE).expect("a lease");
    let open = builder(&server.url(), FailurePolicy::Open).build();
    let permit = open.acquire(&slots, "key").await.expect("open");
    assert!(!permit.is_held(), "there is no slot behind it");

    let closed = builder(&server.url(), FailurePolicy::Closed).build();
    let refused = closed.acquire(&slots, "key").await;
    assert!(
        matches!(refused, Err(AcquireError::Unknown(_))),
        "{refused:?}"
    );

    let local = builder(&server.url(), local(2)).build();
    let share = [
        local.acquire(&slots, "key").await,
        local.acquire(&slots, "key").await,
    ];
    assert!(share.iter().all(Result::is_ok), "{share:?}");
    let third = local.acquire(&slots, "key").await;
    assert!(
        matches!(third, Err(AcquireError::Taken { .. })),
        "{third:?}"
    );
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn nodes_on_their_shares_admit_no_more_than_the_limit_together() {
    let server = Redis::start(&[]).expect("a server");
    let proxy = Proxy::to(server.addr()).expect("a port");
    let nodes: Vec<_> = (0..4)
        .map(|_| builder(&through(&proxy), local(4)).build())
        .collect();
    let policy = policy(40);
    // While Redis is there, one node uses 30 of 40, more than its share.
    for _ in 0..30 {
        assert!(nodes[0].check(check(&policy)).await.is_admitted());
    }
    proxy.set(Link::Reset);
    let mut admitted = [0; 4];
    for _ in 0..40 {
        for (node, admitted) in nodes.iter().zip(&mut admitted) {
            *admitted += u32::from(node.check(check(&policy)).await.is_admitted());
        }
    }
    assert_eq!(
        admitted,
        [0, 10, 10, 10],
        "the first one's share is used up, no fresh start"
    );
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_open_breaker_costs_no_socket_and_next_to_no_time() {
    let mut server = Redis::start(&[]).expect("a server");
    let proxy = Proxy::to(server.addr()).expect("a port");
    let limiter = builder(&through(&proxy), FailurePolicy::Closed).build();
    let policy = policy(1_000);
    server.kill9();
    let is_open = async || {
        let decision = limiter.check(check(&policy)).await;
        match fault(&decision) {
            (FaultKind::BreakerOpen, Applied::No) => Ok(()),
            other => Err(other),
        }
    };
    wait_for(is_open, PATIENCE).await;

    let (accepted, started) = (proxy.accepted(), Instant::now());
    let mut refused = 0;
    // Within the shortest pause of a breaker that has opened for the first time.
    while started.elapsed() < Duration::from_millis(40) {
        let decision = limiter.check(check(&policy)).await;
        refused += u32::from(fault(&decision).0 == FaultKind::BreakerOpen);
    }
    assert!(refused > 1_000, "{refused}");
    assert!(
        proxy.accepted() <= accepted + 1,
        "one for the question whether it is back"
    );

    server.restart().expect("the same port");
    wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
}
