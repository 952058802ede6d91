//! Whether the cost of one of a batch or of a caller stays what it is when there are more of them.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bench::{Row, on_tokio};
use ctxsvc::{Cached, Ctx, Load};
use tokio::task::yield_now;

pub(crate) fn rows() -> Vec<Row> {
    vec![batch(), waiters()]
}

/// A row is its key. It is ready at once, or at the second look.
struct Rows {
    is_ready: bool,
}

impl Load for Rows {
    type Key = u64;
    type Value = u64;
    type Error = Infallible;

    async fn load(&self, _ctx: &Ctx, key: &u64) -> Result<Option<u64>, Infallible> {
        if !self.is_ready {
            yield_now().await;
        }
        Ok(Some(*key))
    }

    async fn load_many(&self, _ctx: &Ctx, keys: &[u64]) -> Result<HashMap<u64, u64>, Infallible> {
        Ok(keys.iter().map(|key| (*key, *key)).collect())
    }
}

fn cached(capacity: u64, is_ready: bool) -> Cached<Rows> {
    Cached::builder("rows", Rows { is_ready })
        .capacity(capacity)
        .ttl(Duration::from_hours(1))
        .build()
}

fn quick(capacity: u64) -> Arc<quick_cache::sync::Cache<u64, u64>> {
    let capacity = usize::try_from(capacity).expect("it is small");
    Arc::new(quick_cache::sync::Cache::new(capacity))
}

fn batch() -> Row {
    Row::new("growth: so many keys that have to be loaded at once, each")
        .sizes([1, 10, 100, 1_000, 10_000])
        .ours("ctxsvc", |size| {
            on_tokio(async move || {
                let (cached, ctx, mut first) = (cached(20_000, true), Ctx::root(), 0);
                async move || {
                    first += size;
                    let keys: Vec<_> = (first..first + size).collect();
                    cached.get_many(&ctx, &keys).await.map(|found| found.len())
                }
            })
        })
        .peer("quick_cache, one by one", |size| {
            on_tokio(async move || {
                let (quick, mut first) = (quick(20_000), 0);
                async move || {
                    first += size;
                    for key in first..first + size {
                        let loaded = async { Ok::<_, Infallible>(key) };
                        let _ = quick.get_or_insert_async(&key, loaded).await;
                    }
                }
            })
        })
}

type Waiting = Pin<Box<dyn Future<Output = bool>>>;

/// All ask before the first is answered.
async fn answered(mut waiting: Vec<Waiting>) {
    let mut cx = Context::from_waker(Waker::noop());
    for waiting in &mut waiting {
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
    }
    for waiting in waiting {
        assert!(waiting.await);
    }
}

fn waiters() -> Row {
    Row::new("growth: so many who wait for one load, each")
        .sizes([1, 10, 100, 1_000, 10_000, 100_000])
        .ours("ctxsvc", |size| {
            on_tokio(async move || {
                let (cached, mut key) = (cached(1_000, false), 0_u64);
                async move || {
                    key += 1;
                    let ask = |_| -> Waiting {
                        let cached = cached.clone();
                        Box::pin(async move { cached.get(&Ctx::root(), &key).await.is_ok() })
                    };
                    answered((0..size).map(ask).collect()).await;
                }
            })
        })
        .peer("quick_cache", |size| {
            on_tokio(async move || {
                let (quick, mut key) = (quick(1_000), 0_u64);
                async move || {
                    key += 1;
                    let ask = |_| -> Waiting {
                        let quick = Arc::clone(&quick);
                        Box::pin(async move {
                            let loaded = async {
                                yield_now().await;
                                Ok::<_, Infallible>(key)
                            };
                            quick.get_or_insert_async(&key, loaded).await.is_ok()
                        })
                    };
                    answered((0..size).map(ask).collect()).await;
                }
            })
        })
}
