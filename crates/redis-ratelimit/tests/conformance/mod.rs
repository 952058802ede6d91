//! What every store promises, on real time.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use redis_ratelimit::{AcquireError, Check, Concurrency, Decision, Limiter, Policy, Quota, State};

/// A test of each promise, for the limiters that `$limiter` makes.
macro_rules! conformance {
    ($limiter:expr $(, #[$attribute:meta])*) => {
        $crate::conformance::tests! {$limiter, [$(#[$attribute])*],
            each_policy_admits_its_limit_at_once_and_no_more
            tasks_that_race_for_one_key_get_the_limit_exactly
            several_limits_admit_all_or_none_and_name_the_one_that_binds
            a_limit_that_is_asked_for_twice_is_charged_for_both
            costs_that_never_fit_together_are_denied_for_good
            a_cost_is_taken_as_a_whole_or_not_at_all
            a_refund_never_leaves_more_than_an_unused_limit
            a_reset_forgets_one_key_of_one_policy
            any_bytes_are_a_key_of_their_own
            waiting_takes_as_long_as_the_limit_says
            a_wait_beyond_the_patience_is_denied_at_once
            a_slot_is_held_until_its_permit_is_dropped
        }
    };
}
pub(crate) use conformance;

macro_rules! tests {
    ($limiter:expr, $attributes:tt, $($promise:ident)*) => {
        $($crate::conformance::test!($limiter, $attributes, $promise);)*
    };
}
pub(crate) use tests;

macro_rules! test {
    ($limiter:expr, [$(#[$attribute:meta])*], $promise:ident) => {
        #[tokio::test]
        $(#[$attribute])*
        async fn $promise() {
            let (limiter, _keys) = $limiter;
            $crate::conformance::$promise(&limiter).await;
        }
    };
}
pub(crate) use test;

fn policies(units: u32) -> [Policy; 3] {
    let quota = Quota::per_hour(units);
    [
        Policy::gcra("gcra", quota),
        Policy::fixed_window("fixed", quota),
        Policy::sliding_window("sliding", quota),
    ]
    .map(|policy| policy.expect("a quota"))
}

fn check<'a>(policy: &'a Policy, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Check<'a> {
    Check::new(policy, key).expect("a short key")
}

fn slots(slots: u32) -> Concurrency {
    Concurrency::new("slots", slots, Duration::from_secs(10)).expect("a lease")
}

pub(crate) async fn each_policy_admits_its_limit_at_once_and_no_more(limiter: &Limiter) {
    for policy in policies(5) {
        for left in (0..5).rev() {
            let decision = limiter.check(check(&policy, "key")).await;
            let Decision::Allowed(state) = decision else {
                panic!("{policy:?}: {decision:?}");
            };
            assert_eq!((state.limit, state.remaining), (5, left), "{policy:?}");
            assert!(state.retry_after.is_zero(), "{policy:?}");
            assert!(state.reset_after > Duration::from_secs(700), "{policy:?}");
        }
        let decision = limiter.check(check(&policy, "key")).await;
        let Decision::Denied(state) = decision else {
            panic!("{policy:?}: {decision:?}");
        };
        assert_eq!((state.limit, state.remaining), (5, 0), "{policy:?}");
        assert!(state.retry_after > Duration::from_secs(700), "{policy:?}");
        assert_eq!(decision.retry_after(), Some(state.retry_after));

        let other = limiter.check(check(&policy, "another key")).await;
        assert!(other.is_admitted(), "{policy:?}");
    }
}

pub(crate) async fn tasks_that_race_for_one_key_get_the_limit_exactly(limiter: &Limiter) {
    for policy in policies(100) {
        let rival = || {
            let (limiter, policy) = (limiter.clone(), policy.clone());
            tokio::spawn(async move {
                let mut admitted = 0;
                for _ in 0..10 {
                    let decision = limiter.check(check(&policy, "key")).await;
                    assert!(!matches!(decision, Decision::Unknown(_)), "{decision:?}");
                    admitted += u32::from(decision.is_admitted());
                }
                admitted
            })
        };
        let rivals: Vec<_> = (0..32).map(|_| rival()).collect();
        let mut admitted = 0;
        for rival in rivals {
            admitted += rival.await.expect("no rival panics");
        }
        assert_eq!(admitted, 100, "{policy:?}");
    }
}

pub(crate) async fn several_limits_admit_all_or_none_and_name_the_one_that_binds(
    limiter: &Limiter,
) {
    let [wide, narrow, sliding] = policies(9);
    let narrowest = Policy::fixed_window("narrowest", Quota::per_hour(2)).expect("a quota");
    let checks = [
        check(&wide, "user"),
        check(&narrow, "address"),
        check(&narrowest, "user"),
        check(&sliding, "user"),
    ];
    for left in [8, 7] {
        let verdict = limiter.check_all(&checks).await;
        assert!(verdict.is_admitted(), "{verdict:?}");
        assert_eq!(verdict.binding(), None);
        assert_eq!(verdict.retry_after(), None);
        assert_eq!(verdict.states()[0].remaining, left);
    }
    for _ in 0..5 {
        let verdict = limiter.check_all(&checks).await;
        assert!(!verdict.is_admitted());
        assert_eq!(verdict.binding(), Some(2), "{verdict:?}");
        let remaining: Vec<_> = verdict
            .states()
            .iter()
            .map(|state| state.remaining)
            .collect();
        assert_eq!(remaining, [7, 7, 0, 7], "the others paid nothing");
        let waits: Vec<_> = verdict
            .states()
            .iter()
            .map(|state| state.retry_after)
            .collect();
        assert!(waits[0].is_zero() && waits[1].is_zero() && waits[3].is_zero());
        assert_eq!(verdict.retry_after(), Some(waits[2]));
    }
    assert!(limiter.check_all(&[]).await.is_admitted());
}

pub(crate) async fn a_limit_that_is_asked_for_twice_is_charged_for_both(limiter: &Limiter) {
    for policy in policies(5) {
        let twice = [check(&policy, "key"), check(&policy, "key")];
        for left in [3, 1] {
            let verdict = limiter.check_all(&twice).await;
            assert!(verdict.is_admitted(), "{policy:?}");
            assert_eq!(verdict.states()[1].remaining, left, "{policy:?}");
        }
        assert!(!limiter.check_all(&twice).await.is_admitted(), "{policy:?}");
        assert!(limiter.check(check(&policy, "key")).await.is_admitted());
    }
}

pub(crate) async fn costs_that_never_fit_together_are_denied_for_good(limiter: &Limiter) {
    for policy in policies(5) {
        let three = check(&policy, "key").cost(3).expect("within the limit");
        let verdict = limiter.check_all(&[three, three]).await;
        assert!(!verdict.is_admitted(), "{policy:?}");
        assert_eq!(verdict.retry_after(), None, "{policy:?}");
        assert_eq!(verdict.binding(), Some(1), "{policy:?}");
        let permanent: Vec<_> = verdict.states().iter().map(State::is_permanent).collect();
        assert_eq!(permanent, [false, true], "{policy:?}");
        assert_eq!(verdict.states()[1].retry_after, Duration::MAX);
        // One of them by itself only has to wait for the other.
        assert!(limiter.check(three).await.is_admitted(), "{policy:?}");
        let denied = limiter.check(three).await;
        assert!(denied.retry_after().is_some(), "{policy:?}");
    }
}

pub(crate) async fn a_cost_is_taken_as_a_whole_or_not_at_all(limiter: &Limiter) {
    for policy in policies(10) {
        let cost = |units| check(&policy, "key").cost(units).expect("within the limit");
        for (units, admitted, left) in [(7, true, 3), (4, false, 3), (3, true, 0), (1, false, 0)] {
            let decision = limiter.check(cost(units)).await;
            assert_eq!(decision.is_admitted(), admitted, "{policy:?}: {units}");
            let state = decision.state().expect("the store answers");
            assert_eq!(state.remaining, left, "{policy:?}: {units}");
        }
    }
}

pub(crate) async fn a_refund_never_leaves_more_than_an_unused_limit(limiter: &Limiter) {
    for policy in policies(4) {
        let one = check(&policy, "key");
        limiter.refund(one).await.expect("the store answers");
        let four = one.cost(4).expect("within the limit");
        assert!(limiter.check(four).await.is_admitted(), "{policy:?}");
        assert!(!limiter.check(one).await.is_admitted(), "{policy:?}");
        for (units, left) in [(1, 1), (2, 3), (4, 4), (4, 4)] {
            let given = one.cost(units).expect("within the limit");
            limiter.refund(given).await.expect("the store answers");
            let state = limiter.peek(one).await.expect("the store answers");
            assert_eq!(state.remaining, left, "{policy:?}: {units}");
        }
    }
}

pub(crate) async fn a_reset_forgets_one_key_of_one_policy(limiter: &Limiter) {
    let [first, second, third] = policies(1);
    let (kept, reset) = (check(&first, "kept"), check(&first, "reset"));
    for check in [kept, reset, check(&second, "reset"), check(&third, "reset")] {
        assert!(limiter.check(check).await.is_admitted());
    }
    limiter.reset(reset).await.expect("the store answers");
    limiter
        .reset(check(&third, "reset"))
        .await
        .expect("the store answers");
    for (check, admitted) in [
        (kept, false),
        (reset, true),
        (check(&second, "reset"), false),
        (check(&third, "reset"), true),
    ] {
        assert_eq!(
            limiter.check(check).await.is_admitted(),
            admitted,
            "{check:?}"
        );
    }
}

pub(crate) async fn any_bytes_are_a_key_of_their_own(limiter: &Limiter) {
    let policy = Policy::gcra("api", Quota::per_hour(1)).expect("a quota");
    let long = "x".repeat(64 * 1024);
    let keys: [&[u8]; 14] = [
        b"",
        b" ",
        b"a",
        b"a:api",
        b"}:api",
        b"{a}",
        b"%7ba%7d",
        b"\0",
        b"\r\n",
        b"\r\nFLUSHALL\r\n",
        b"\xff\xfe",
        "grüße".as_bytes(),
        b"' return 1 --",
        long.as_bytes(),
    ];
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    for admitted in [true, false] {
        for key in keys {
            let decision = limiter.check(check(&policy, key)).await;
            assert_eq!(
                decision.is_admitted(),
                admitted,
                "{:?}",
                key.escape_ascii().to_string()
            );
        }
    }
}

pub(crate) async fn waiting_takes_as_long_as_the_limit_says(limiter: &Limiter) {
    let quota = Quota::per(1, Duration::from_millis(60));
    for policy in [
        Policy::gcra("gcra", quota),
        Policy::fixed_window("fixed", quota),
    ] {
        let policy = policy.expect("a quota");
        let started = Instant::now();
        for _ in 0..4 {
            let decision = limiter
                .until_ready(check(&policy, "key"), Duration::from_secs(5))
                .await;
            assert!(matches!(decision, Decision::Allowed(_)), "{decision:?}");
        }
        // The store's clock and ours are read at different moments.
        assert!(
            started.elapsed() >= Duration::from_millis(3 * 60 - 1),
            "{policy:?}"
        );
    }
}

pub(crate) async fn a_wait_beyond_the_patience_is_denied_at_once(limiter: &Limiter) {
    for policy in policies(1) {
        let patience = Duration::from_secs(60);
        let started = Instant::now();
        assert!(
            limiter
                .until_ready(check(&policy, "key"), patience)
                .await
                .is_admitted()
        );
        let denied = limiter.until_ready(check(&policy, "key"), patience).await;
        assert!(denied.retry_after() > Some(patience), "{policy:?}");
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}

pub(crate) async fn a_slot_is_held_until_its_permit_is_dropped(limiter: &Limiter) {
    let slots = slots(2);
    let first = limiter.acquire(&slots, "key").await.expect("a free slot");
    let second = limiter.acquire(&slots, "key").await.expect("a free slot");
    assert!(first.is_held() && second.is_held());
    let third = limiter
        .acquire(&slots, "key")
        .await
        .expect_err("no free slot");
    let AcquireError::Taken { retry_after, .. } = third else {
        panic!("{third:?}");
    };
    assert!(!retry_after.is_zero() && retry_after <= slots.lease());
    assert!(limiter.acquire(&slots, "another key").await.is_ok());

    drop(first);
    let _again = testkit::wait_for(
        async || limiter.acquire(&slots, "key").await,
        Duration::from_secs(10),
    )
    .await;
    assert!(
        limiter.acquire(&slots, "key").await.is_err(),
        "two are held"
    );
}
