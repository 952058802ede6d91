//! The memory store: what all stores promise, and its own bounds.

use redis_ratelimit::{Check, Limiter, MemoryStore, Policy, Quota};

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
