//! How much is remembered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ctxsvc::{Cached, Ctx, Load};
use tokio::time::advance;

use crate::repository::Broken;

const TTL: Duration = Duration::from_secs(60);
const CAPACITY: u64 = 100_000;
const WEIGHT: u64 = 1_000;

/// Values that weigh something, unless it is broken.
#[derive(Clone, Default)]
struct Heavy {
    is_broken: Arc<AtomicBool>,
}

impl Load for Heavy {
    type Key = u64;
    type Value = u64;
    type Error = Broken;

    async fn load(&self, _ctx: &Ctx, key: &u64) -> Result<Option<u64>, Broken> {
        if self.is_broken.load(Ordering::SeqCst) {
            Err(Broken)
        } else {
            Ok(Some(*key))
        }
    }

    fn weight(_value: &u64) -> u64 {
        WEIGHT
    }
}

/// How many of these keys have an answer.
async fn answered(cached: &Cached<Heavy>, keys: impl IntoIterator<Item = u64>) -> u64 {
    let (root, mut answered) = (Ctx::root(), 0);
    for key in keys {
        answered += u64::from(cached.get(&root, &key).await.is_ok());
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn what_is_remembered_weighs_no_more_than_the_capacity() {
    let heavy = Heavy::default();
    let cached = Cached::builder("heavy", heavy.clone())
        .capacity(CAPACITY)
        .build();
    assert_eq!(answered(&cached, 0..1_000).await, 1_000);
    heavy.is_broken.store(true, Ordering::SeqCst);
    let remembered = answered(&cached, 0..1_000).await;
    assert!(
        (CAPACITY / WEIGHT / 2..=CAPACITY / WEIGHT).contains(&remembered),
        "{remembered}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_value_that_stands_in_for_a_failed_load_weighs_as_much_as_before() {
    let heavy = Heavy::default();
    let cached = Cached::builder("heavy", heavy.clone())
        .capacity(CAPACITY)
        .ttl(TTL)
        .stale_for(TTL * 10)
        .build();
    let old = 0..CAPACITY / WEIGHT;
    assert_eq!(answered(&cached, old.clone()).await, CAPACITY / WEIGHT);
    advance(TTL).await;
    heavy.is_broken.store(true, Ordering::SeqCst);
    let stale = answered(&cached, old.clone()).await;
    assert!(stale >= CAPACITY / WEIGHT / 2, "{stale}");

    heavy.is_broken.store(false, Ordering::SeqCst);
    let new = 1_000..1_000 + CAPACITY / WEIGHT * 3 / 4;
    assert_eq!(answered(&cached, new.clone()).await, new.end - new.start);
    heavy.is_broken.store(true, Ordering::SeqCst);
    let remembered = answered(&cached, old.chain(new)).await;
    assert!(
        remembered <= CAPACITY / WEIGHT,
        "{remembered} values of {WEIGHT}"
    );
}
