//! What is refused when it is made, so that nothing can fail later.

use std::error::Error;
use std::time::Duration;

use redis_ratelimit::{Check, CheckError, Concurrency, Limiter, Policy, PolicyError, Quota};

#[test]
fn a_policy_that_can_not_be_kept_is_refused_with_what_to_change() {
    let quota = Quota::per_second(5);
    let long = "x".repeat(65);
    let us = Duration::from_micros;
    let too_long = Duration::from_secs(u64::MAX);
    for (refused, hint) in [
        (Policy::gcra("", quota), "1 to 64 printable"),
        (Policy::gcra(long, quota), "1 to 64 printable"),
        (Policy::gcra("a\nb", quota), "1 to 64 printable"),
        (Policy::gcra("a\"b", quota), "1 to 64 printable"),
        (Policy::gcra("a\\b", quota), "1 to 64 printable"),
        (Policy::gcra("a:b", quota), "1 to 64 printable"),
        (Policy::gcra("größe", quota), "1 to 64 printable"),
        (Policy::sliding_window("\0", quota), "1 to 64 printable"),
        (Policy::gcra("p", Quota::per_second(0)), "allow 1 at least"),
        (
            Policy::fixed_window("p", Quota::per_second(0)),
            "allow 1 at least",
        ),
        (
            Policy::sliding_window("p", Quota::per_second(0)),
            "allow 1 at least",
        ),
        (Policy::gcra("p", quota.burst(0)), "set it to 1 at least"),
        (
            Policy::fixed_window("p", quota.burst(9)),
            "leave the burst out",
        ),
        (
            Policy::sliding_window("p", quota.burst(9)),
            "leave the burst out",
        ),
        (
            Policy::gcra("p", Quota::per(1, Duration::ZERO)),
            "from 1 microsecond",
        ),
        (
            Policy::gcra("p", Quota::per(1, Duration::from_nanos(999))),
            "from 1 microsecond",
        ),
        (
            Policy::fixed_window("p", Quota::per(1, too_long)),
            "to 71 years",
        ),
        (
            Policy::gcra("p", Quota::per(2, us(1))),
            "count in larger units",
        ),
        (
            Policy::gcra("p", Quota::per_day(1).burst(u32::MAX)),
            "set a smaller one",
        ),
        (
            Policy::gcra("p", Quota::per_day(u32::MAX)),
            "can't be counted exactly",
        ),
    ] {
        let error: PolicyError = refused.expect_err(hint);
        assert!(error.to_string().contains(hint), "{error}");
    }
}

#[test]
fn a_concurrency_that_can_not_be_kept_is_refused() {
    let second = Duration::from_secs(1);
    for (name, slots, lease) in [
        ("", 1, second),
        ("p", 0, second),
        ("p", 1, Duration::ZERO),
        ("p", 1, Duration::from_millis(99)),
        ("p", 1, Duration::from_secs(86_401)),
    ] {
        assert!(
            Concurrency::new(name, slots, lease).is_err(),
            "{name} {slots} {lease:?}"
        );
    }
}

#[test]
fn a_cost_above_the_limit_is_refused_for_good_and_never_told_to_wait() {
    let quota = Quota::per_second(5);
    for policy in [
        Policy::gcra("p", quota),
        Policy::gcra("p", Quota::per_second(9).burst(5)),
        Policy::fixed_window("p", quota),
        Policy::sliding_window("p", quota),
    ] {
        let policy = policy.expect("a quota");
        let check = Check::new(&policy, "key").expect("a short key");
        assert!(check.cost(5).is_ok(), "{policy:?}");
        assert!(
            check
                .cost(6)
                .is_err_and(|error| error.is_cost_above_limit()),
            "{policy:?}"
        );
        assert_eq!(
            check.cost(0).err(),
            Some(CheckError::ZeroCost),
            "{policy:?}"
        );
    }
}

#[tokio::test]
async fn a_key_of_64_kib_is_allowed_and_a_longer_one_refused() {
    let policy = Policy::gcra("p", Quota::per_second(5)).expect("a quota");
    let key = vec![b'x'; 64 * 1024 + 1];
    assert!(Check::new(&policy, &key[1..]).is_ok());
    assert!(Check::new(&policy, &key).is_err_and(|error| error.is_key_too_long()));

    let slots = Concurrency::new("p", 1, Duration::from_secs(1)).expect("a lease");
    let error = Limiter::memory()
        .acquire(&slots, &key)
        .await
        .expect_err("too long");
    assert!(error.to_string().contains("65537 bytes"), "{error}");
    assert!(error.source().is_none());
}
