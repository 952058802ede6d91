//! A decision without Redis.

use bench::{Operation, batch, each};
use governor::{DefaultKeyedRateLimiter, RateLimiter};
use redis_ratelimit::{Check, Limiter, MemoryStore, Policy, Quota};
use tokio::runtime::Builder;

pub(crate) fn ours(store: MemoryStore) -> impl Operation {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let limiter = Limiter::builder().memory(store).build();
    let policy = Policy::gcra("p", Quota::per_second(1_000_000).burst(u32::MAX)).expect("a quota");
    batch(move |count| {
        runtime.block_on(async {
            for _ in 0..count {
                let check = Check::new(&policy, "user:42").expect("a short key");
                assert!(std::hint::black_box(
                    limiter.check(check).await.is_admitted()
                ));
            }
        });
    })
}

pub(crate) fn governor() -> impl Operation {
    let units = std::num::NonZeroU32::new(1_000_000).expect("not zero");
    let limiter: DefaultKeyedRateLimiter<String> = RateLimiter::keyed(
        governor::Quota::per_second(units).allow_burst(std::num::NonZeroU32::MAX),
    );
    let key = "user:42".to_owned();
    each(move || limiter.check_key(&key))
}
