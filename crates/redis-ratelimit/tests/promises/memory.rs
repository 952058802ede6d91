//! The memory store: what all stores promise, and its own bounds.

use std::time::Duration;

use redis_ratelimit::{Check, Concurrency, Limiter, MemoryStore, Policy, Quota};

crate::conformance::conformance!((Limiter::memory(), ()));

#[tokio::test]
async fn a_full_store_keeps_its_bound_and_counts_what_it_forgets() {
    let store = MemoryStore::with_capacity(1_000);
    let limiter = Limiter::builder().memory(store.clone()).build();
    let policy = Policy::gcra("p", Quota::per_hour(1)).expect("a quota");
    for key in 0..5_000_u32 {
        let key = key.to_le_bytes();
        let check = Check::new(&policy, &key).expect("a short key");
        assert!(limiter.check(check).await.is_admitted());
    }
    assert!(store.forgotten() >= 3_900, "{store:?}");
}

#[tokio::test]
async fn all_handles_to_a_store_share_its_counts_and_stores_do_not() {
    let store = MemoryStore::new();
    let policy = Policy::gcra("p", Quota::per_hour(1)).expect("a quota");
    let check = Check::new(&policy, "key").expect("a short key");
    let limiter = Limiter::builder().memory(store.clone()).build();
    let same_store = Limiter::builder().memory(store).build();
    assert!(limiter.check(check).await.is_admitted());
    assert!(!limiter.clone().check(check).await.is_admitted());
    assert!(!same_store.check(check).await.is_admitted());
    assert!(Limiter::memory().check(check).await.is_admitted());
}

#[tokio::test]
async fn a_slot_that_is_held_is_not_forgotten_when_the_store_is_full() {
    let store = MemoryStore::with_capacity(64);
    let limiter = Limiter::builder().memory(store).build();
    let slots = Concurrency::new("slots", 1, Duration::from_secs(10)).expect("a lease");
    let mut permits = Vec::new();
    for key in 0..500_u32 {
        if let Ok(permit) = limiter.acquire(&slots, &key.to_le_bytes()).await {
            permits.push((key, permit));
        }
    }
    assert!((1..=64).contains(&permits.len()), "{}", permits.len());
    for (key, permit) in permits {
        assert!(permit.is_held());
        let again = limiter.acquire(&slots, &key.to_le_bytes()).await;
        assert!(again.is_err(), "{key} was given twice");
    }
}

#[test]
fn the_future_of_a_check_is_a_small_one() {
    let limiter = Limiter::memory();
    let policy = Policy::gcra("p", Quota::per_hour(1)).expect("a quota");
    let check = Check::new(&policy, "key").expect("a short key");
    // Four times as much if it held what waits for Redis.
    assert!(size_of_val(&limiter.check(check)) <= 192);
    assert!(size_of_val(&limiter.check_all(&[check])) <= 192);
}
