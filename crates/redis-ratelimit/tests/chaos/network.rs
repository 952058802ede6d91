//! Rows about the network between us and Redis.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use redis_ratelimit::{
    Applied, Concurrency, Decision, FailurePolicy, FaultKind, Limiter, LimiterBuilder, Policy,
};
use testkit::{Link, Proxy, Redis, wait_for};

use crate::{BUDGET, PATIENCE, SLACK, builder, check, fault, is_decided, limiter, policy, through};

/// A server behind a proxy, and a limiter that has reached it.
async fn behind_a_proxy(
    settings: impl FnOnce(LimiterBuilder) -> LimiterBuilder,
) -> (Redis, Proxy, Limiter, Policy) {
    let server = Redis::start(&[]).expect("a server");
    let proxy = Proxy::to(server.addr()).expect("a port");
    let settings = settings(builder(&through(&proxy), FailurePolicy::Closed));
    let (limiter, policy) = (settings.build(), policy(1_000));
    is_decided(&limiter, &policy).await.expect("a healthy link");
    (server, proxy, limiter, policy)
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn each_silent_link_costs_the_budget_and_tells_that_it_may_have_charged() {
    let server = Redis::start(&[]).expect("a server");
    for link in [Link::Blackhole, Link::LoseReplies, Link::Delay(2 * BUDGET)] {
        let proxy = Proxy::to(server.addr()).expect("a port");
        let limiter = limiter(&through(&proxy));
        let policy = policy(1_000);
        is_decided(&limiter, &policy).await.expect("a healthy link");

        proxy.set(link);
        let started = Instant::now();
        let decision = limiter.check(check(&policy)).await;
        assert_eq!(
            fault(&decision),
            (FaultKind::Timeout, Applied::Maybe),
            "{link:?}"
        );
        assert!(!decision.is_admitted(), "closed");
        assert!(
            started.elapsed() < BUDGET + SLACK,
            "{link:?}: {:?}",
            started.elapsed()
        );

        proxy.set(Link::Pass);
        wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_check_is_charged_once_at_most_whatever_becomes_of_its_answer() {
    let server = Redis::start(&[]).expect("a server");
    let direct = limiter(&server.url());
    let policy = policy(10_000);
    for link in [
        Link::LoseReplies,
        Link::Reset,
        Link::Fin,
        Link::Delay(2 * BUDGET),
    ] {
        direct.reset(check(&policy)).await.expect("an answer");
        let proxy = Proxy::to(server.addr()).expect("a port");
        let limiter = limiter(&through(&proxy));
        is_decided(&limiter, &policy).await.expect("a healthy link");

        proxy.set(link);
        let (mut surely, mut perhaps) = (1, 0);
        for _ in 0..4 {
            match limiter.check(check(&policy)).await {
                Decision::Allowed(_) => surely += 1,
                decision => perhaps += u64::from(fault(&decision).1 == Applied::Maybe),
            }
        }
        proxy.set(Link::Pass);
        // What is still on its way arrives before what is asked over a new connection, or never.
        wait_for(async || limiter.peek(check(&policy)).await, PATIENCE).await;
        let left = direct
            .peek(check(&policy))
            .await
            .expect("an answer")
            .remaining;
        let charged = 10_000 - left;
        assert!(
            (surely..=surely + perhaps).contains(&charged),
            "{link:?}: {charged}"
        );
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_check_that_was_sent_with_others_tells_that_it_may_have_been_charged() {
    let server = Redis::start(&[]).expect("a server");
    let proxy = Proxy::to(server.addr()).expect("a port");
    let settings = builder(&through(&proxy), FailurePolicy::Closed);
    let (limiter, policy) = (settings.coalesce().build(), policy(1_000));
    // Together, so that the server knows the script for it.
    let one = || limiter.check(check(&policy));
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    assert!([a, b, c, d].iter().all(Decision::is_admitted));
    proxy.set(Link::LoseReplies);
    let ask = || {
        let (limiter, policy) = (limiter.clone(), policy.clone());
        tokio::spawn(async move { fault(&limiter.check(check(&policy)).await) })
    };
    // Two make a call each. Those that come later wait, and go when the two are given up on.
    let mut asked: Vec<_> = (0..2).map(|_| ask()).collect();
    let started = Instant::now();
    wait_for(async || started.elapsed() > BUDGET / 4, PATIENCE).await;
    asked.extend((0..5).map(|_| ask()));
    for asked in asked {
        let fault = asked.await.expect("no panic");
        assert_eq!(fault, (FaultKind::Timeout, Applied::Maybe));
    }
    let direct = crate::limiter(&server.url());
    let left = direct
        .peek(check(&policy))
        .await
        .expect("an answer")
        .remaining;
    assert_eq!(left, 1_000 - 4 - 7, "all of them were carried out");
}

#[tokio::test]
async fn why_there_is_no_connection_is_told_also_if_it_takes_long_to_find_out() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("redis://{}", listener.local_addr().expect("it is bound"));
    // It hangs up after longer than there is between two attempts. It ends with the test's process.
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                std::thread::sleep(BUDGET / 2);
                drop(client);
            });
        }
    });
    let settings = builder(&url, FailurePolicy::Closed);
    let (limiter, policy) = (settings.budget(4 * BUDGET).build(), policy(10));
    let decision = limiter.check(check(&policy)).await;
    let told = (FaultKind::Unreachable, Applied::No);
    assert_eq!(fault(&decision), told, "{decision:?}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_silently_dropped_connection_is_replaced_within_two_budgets() {
    let (_server, proxy, limiter, policy) = behind_a_proxy(|settings| settings).await;
    proxy.orphan();
    let started = Instant::now();
    wait_for(async || is_decided(&limiter, &policy).await, PATIENCE).await;
    assert!(
        started.elapsed() < 2 * BUDGET + SLACK,
        "{:?}",
        started.elapsed()
    );
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_long_budget_is_not_spent_on_a_connection_that_is_silent() {
    let long = 10 * PATIENCE;
    for coalesces in [false, true] {
        let settings = |settings: LimiterBuilder| {
            let settings = settings.budget(long);
            if coalesces {
                settings.coalesce()
            } else {
                settings
            }
        };
        let (server, proxy, limiter, policy) = behind_a_proxy(settings).await;
        proxy.orphan();
        let started = Instant::now();
        let ask = || {
            let (limiter, policy) = (limiter.clone(), policy.clone());
            tokio::spawn(async move { limiter.check(check(&policy)).await })
        };
        // One fault less than opens the breaker.
        let asked: Vec<_> = (0..4).map(|_| ask()).collect();
        let (mut lost, mut decided) = (0, 0);
        for asked in asked {
            match asked.await.expect("no panic") {
                Decision::Allowed(_) => decided += 1,
                decision => {
                    let told = (FaultKind::ConnectionLost, Applied::Maybe);
                    assert_eq!(fault(&decision), told, "{decision:?}");
                    lost += 1;
                }
            }
        }
        // Who was sent over it is in doubt, and who waited for those goes over the next one.
        let expected = if coalesces { (2, 2) } else { (4, 0) };
        assert_eq!((lost, decided), expected);
        is_decided(&limiter, &policy).await.expect("it is healed");
        assert!(started.elapsed() < PATIENCE, "{:?}", started.elapsed());

        // A server that is slow is waited for: nobody else answers either.
        let asked = ask();
        server.pause();
        let started = Instant::now();
        wait_for(async || started.elapsed() > 6 * BUDGET, PATIENCE).await;
        server.resume();
        let decision = asked.await.expect("no panic");
        assert!(decision.is_admitted(), "{decision:?}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn all_who_wait_for_a_server_that_was_stopped_are_answered_by_it() {
    const CHECKS: u32 = 2_000;
    let server = Redis::start(&[]).expect("a server");
    let settings = builder(&server.url(), FailurePolicy::Closed);
    let (limiter, policy) = (settings.budget(10 * PATIENCE).build(), policy(2 * CHECKS));
    is_decided(&limiter, &policy).await.expect("a healthy link");
    server.pause();
    let asked: Vec<_> = (0..CHECKS)
        .map(|_| {
            let (limiter, policy) = (limiter.clone(), policy.clone());
            tokio::spawn(async move { limiter.check(check(&policy)).await })
        })
        .collect();
    // Until after the second in which it is suspected, that in which it says nothing, and that of the
    // first attempt to connect: the second one succeeds soon after it has begun.
    let started = Instant::now();
    wait_for(async || started.elapsed() > 8 * BUDGET, PATIENCE).await;
    server.resume();
    let mut doubts = Vec::new();
    for asked in asked {
        match asked.await.expect("no panic") {
            Decision::Allowed(_) => {}
            decision => doubts.push(decision),
        }
    }
    let first = doubts.first();
    assert!(first.is_none(), "{} of {CHECKS}: {first:?}", doubts.len());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn callers_who_do_not_wait_for_the_budget_get_a_new_connection_all_the_same() {
    let (_server, proxy, limiter, policy) = behind_a_proxy(|settings| settings).await;
    proxy.orphan();
    let impatient = async || {
        let asked = tokio::time::timeout(BUDGET / 4, is_decided(&limiter, &policy));
        asked.await.map_err(|_| "no answer".to_owned())?
    };
    wait_for(impatient, PATIENCE).await;
    assert_eq!(proxy.accepted(), 2);
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn callers_who_do_not_wait_for_the_budget_open_the_breaker_all_the_same() {
    for coalesces in [false, true] {
        let settings = |settings: LimiterBuilder| {
            if coalesces {
                settings.coalesce()
            } else {
                settings
            }
        };
        let (_server, proxy, limiter, policy) = behind_a_proxy(settings).await;
        proxy.set(Link::Blackhole);
        let is_open = async || {
            let asked = limiter.check(check(&policy));
            match tokio::time::timeout(BUDGET / 20, asked).await {
                Ok(decision) => Some(fault(&decision).0)
                    .filter(|kind| *kind == FaultKind::BreakerOpen)
                    .map(drop),
                Err(_) => None,
            }
        };
        wait_for(is_open, PATIENCE).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_command_that_many_wait_for_is_one_fault() {
    let (_server, proxy, limiter, policy) = behind_a_proxy(LimiterBuilder::coalesce).await;
    proxy.set(Link::Blackhole);
    let asked = (0..64).map(|_| {
        let (limiter, policy) = (limiter.clone(), policy.clone());
        tokio::spawn(async move { fault(&limiter.check(check(&policy)).await).0 })
    });
    for asked in asked.collect::<Vec<_>>() {
        assert_eq!(asked.await.expect("no panic"), FaultKind::Timeout);
    }
    // Two calls are two faults, and do not open the breaker, however many have waited.
    let decision = limiter.check(check(&policy)).await;
    assert_eq!(fault(&decision).0, FaultKind::Timeout);
}

#[test]
#[ignore = "needs redis-server"]
fn a_runtime_that_ends_while_it_connects_is_no_obstacle_for_the_next_one() {
    let server = Redis::start(&[]).expect("a server");
    let (limiter, policy) = (limiter(&server.url()), policy(1_000));
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().expect("a runtime")
    };
    let first = runtime();
    first.block_on(async {
        // Polled once: the attempt to connect is spawned, and has not run when the runtime ends.
        let asked = std::pin::pin!(limiter.check(check(&policy)));
        let mut asked = tokio_test::task::spawn(asked);
        assert!(asked.poll().is_pending());
    });
    drop(first);
    let second = runtime();
    second.block_on(wait_for(
        async || is_decided(&limiter, &policy).await,
        PATIENCE,
    ));
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn many_checks_on_a_dropped_connection_replace_it_at_the_first_budget() {
    let (_server, proxy, limiter, policy) = behind_a_proxy(|settings| settings).await;
    proxy.orphan();
    let checks: Vec<_> = (0..3)
        .map(|_| {
            let (limiter, policy) = (limiter.clone(), policy.clone());
            tokio::spawn(async move { limiter.check(check(&policy)).await })
        })
        .collect();
    for check in checks {
        let decision = check.await.expect("no panic");
        assert_eq!(fault(&decision), (FaultKind::Timeout, Applied::Maybe));
    }
    is_decided(&limiter, &policy)
        .await
        .expect("a new connection");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_server_that_hangs_up_on_everybody_is_not_knocked_at_more_than_ten_times_a_second() {
    let server = Redis::start(&[]).expect("a server");
    let proxy = Proxy::to(server.addr()).expect("a port");
    proxy.set(Link::Fin);
    let limiter = limiter(&through(&proxy));
    let policy = policy(1_000);
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        let decision = limiter.check(check(&policy)).await;
        assert_eq!(fault(&decision).1, Applied::No, "nothing was sent");
        tokio::task::yield_now().await;
    }
    assert!(proxy.accepted() <= 11, "{} connections", proxy.accepted());
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn an_answer_cut_at_any_byte_is_a_doubt_and_the_next_check_is_decided() {
    let server = Redis::start(&[]).expect("a server");
    let direct = limiter(&server.url());
    let policy = policy(1_000);
    // A reply is "*3\r\n:1\r\n:<debt>\r\n:0\r\n": 22 bytes with the debt of a day's quota.
    for bytes in 0..24 {
        direct.reset(check(&policy)).await.expect("an answer");
        let proxy = Proxy::to(server.addr()).expect("a port");
        let limiter = limiter(&through(&proxy));
        limiter.peek(check(&policy)).await.expect("a healthy link");

        proxy.set(Link::CutReplyAfter(bytes));
        let decision = limiter.check(check(&policy)).await;
        proxy.set(Link::Pass);
        let is_allowed = matches!(decision, Decision::Allowed(_));
        if !is_allowed {
            let expected = (FaultKind::ConnectionLost, Applied::Maybe);
            assert_eq!(fault(&decision), expected, "{bytes}");
        }
        wait_for(async || limiter.peek(check(&policy)).await, PATIENCE).await;
        let left = direct
            .peek(check(&policy))
            .await
            .expect("an answer")
            .remaining;
        assert!(
            left == 999 || left == 1_000 && !is_allowed,
            "{bytes}: {left}"
        );
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn answers_that_come_byte_by_byte_are_put_together() {
    let server = Redis::start(&[]).expect("a server");
    let proxy = Proxy::to(server.addr()).expect("a port");
    proxy.set(Link::Dribble);
    let policy = crate::policy(3);
    // The script does not have to come byte by byte.
    is_decided(&limiter(&server.url()), &policy)
        .await
        .expect("a healthy link");
    limiter(&server.url())
        .reset(check(&policy))
        .await
        .expect("an answer");
    let limiter = builder(&through(&proxy), FailurePolicy::Closed)
        .budget(PATIENCE)
        .build();
    for admitted in [true, true, true, false] {
        let decision = limiter.check(check(&policy)).await;
        assert!(!matches!(decision, Decision::Unknown(_)), "{decision:?}");
        assert_eq!(decision.is_admitted(), admitted);
    }
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_renewal_that_hangs_is_given_up_in_time_for_the_next_one() {
    let server = Redis::start(&[]).expect("a server");
    let proxy = Proxy::to(server.addr()).expect("a port");
    // A budget far beyond the lease, and beyond this test.
    let limiter = builder(&through(&proxy), FailurePolicy::Closed)
        .budget(Duration::from_secs(3_600))
        .build();
    let slots = Concurrency::new("slots", 1, Duration::from_millis(600)).expect("a lease");
    let permit = limiter.acquire(&slots, "key").await.expect("a free slot");
    proxy.orphan();
    let client = redis::Client::open(server.url()).expect("a URL");
    let mut direct = client.get_connection().expect("the server answers");
    let last_end = |connection: &mut redis::Connection| {
        let held: Vec<(String, u64)> = redis::cmd("ZRANGE")
            .arg("rl:{key}:slots")
            .arg(&[0, -1])
            .arg("WITHSCORES")
            .query(connection)
            .expect("a plain command");
        held.first().map_or(0, |(_, ends)| *ends)
    };
    let before = last_end(&mut direct);
    let is_renewed = async || (last_end(&mut direct) > before && permit.is_held()).then_some(());
    wait_for(is_renewed, PATIENCE).await;
    assert_eq!(proxy.accepted(), 2, "over a new connection");
}
