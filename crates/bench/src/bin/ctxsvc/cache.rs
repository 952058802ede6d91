//! What a cache costs, and what a stampede costs the database.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bench::{Fact, Operation, Row, on_tokio};
use ctxsvc::{Cached, Ctx, Load};

use crate::probes::caches::{Amalgam, Cache, Cachet, Foyer, Hydra, Moka, Ours, QuickCache};
use crate::probes::origin::{Ends, Origin};

/// Ready at once, or after a while.
struct Rows {
    takes: Duration,
    loads: Arc<AtomicU64>,
}

impl Rows {
    fn ready() -> Self {
        Self {
            takes: Duration::ZERO,
            loads: Arc::default(),
        }
    }
}

impl Load for Rows {
    type Key = u64;
    type Value = u64;
    type Error = Infallible;

    async fn load(&self, _ctx: &Ctx, key: &u64) -> Result<Option<u64>, Infallible> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        Ok(Some(*key))
    }
}

fn cached(capacity: u64) -> Cached<Rows> {
    Cached::builder("rows", Rows::ready())
        .capacity(capacity)
        .ttl(Duration::from_hours(1))
        .build()
}

fn quick(capacity: u64) -> quick_cache::sync::Cache<u64, Arc<u64>> {
    quick_cache::sync::Cache::new(usize::try_from(capacity).expect("it is small"))
}

/// All keys in no order.
fn key(nth: u64, keys: u64) -> u64 {
    nth.wrapping_mul(0x9e37_79b9_7f4a_7c15) % keys
}

pub(crate) fn rows() -> Vec<Row> {
    vec![hit(), miss(), remembered(), forgotten()]
}

fn hit() -> Row {
    Row::new("get one of so many that are remembered")
        .levels([1_000, 10_000, 100_000, 1_000_000])
        .ours("ctxsvc", |keys| {
            on_tokio(async move || {
                let (cached, ctx) = (cached(2 * keys), Ctx::root());
                for key in 0..keys {
                    let _ = cached.get(&ctx, &key).await;
                }
                let mut nth = 0;
                async move || {
                    nth += 1;
                    cached.get(&ctx, &key(nth, keys)).await.is_ok()
                }
            })
        })
        .peer("quick_cache, without a time to live", |keys| {
            on_tokio(async move || {
                let quick = quick(2 * keys);
                (0..keys).for_each(|key| quick.insert(key, Arc::new(key)));
                let mut nth = 0;
                async move || {
                    nth += 1;
                    quick.get(&key(nth, keys)).is_some()
                }
            })
        })
}

fn miss() -> Row {
    Row::new("get what has to be loaded and is ready, room for so many")
        .levels([1_000, 100_000])
        .ours("ctxsvc", |room| {
            on_tokio(async move || {
                let (cached, ctx, mut nth) = (cached(room), Ctx::root(), 0_u64);
                async move || {
                    nth += 1;
                    cached.get(&ctx, &nth).await.is_ok()
                }
            })
        })
        .peer("quick_cache", |room| {
            on_tokio(async move || {
                let (quick, mut nth) = (quick(room), 0_u64);
                async move || {
                    nth += 1;
                    let loaded = async { Ok::<_, Infallible>(Arc::new(nth)) };
                    quick.get_or_insert_async(&nth, loaded).await.is_ok()
                }
            })
        })
}

/// Each as its documentation advises, in front of a repository.
fn remembered() -> Row {
    fn again<C: Cache>() -> impl Operation {
        on_tokio(async || {
            let cache = C::before(Origin::new(Duration::ZERO, Ends::Well));
            async move || cache.get().await.is_ok()
        })
    }
    Row::new("get a value that is remembered, of caches that load")
        .ours("ctxsvc", |_| again::<Ours>())
        .peer("amalgam-cache", |_| again::<Amalgam>())
        .peer("cachet", |_| again::<Cachet>())
        .peer("foyer", |_| again::<Foyer>())
        .peer("hydracache", |_| again::<Hydra>())
        .peer("moka", |_| again::<Moka>())
        .peer("quick_cache", |_| again::<QuickCache>())
}

fn forgotten() -> Row {
    fn anew<C: Cache>() -> impl Operation {
        on_tokio(async || {
            let cache = C::before(Origin::new(Duration::ZERO, Ends::Well));
            async move || {
                cache.forget().await;
                cache.get().await.is_ok()
            }
        })
    }
    Row::new("forget a value and get it again")
        .ours("ctxsvc", |_| anew::<Ours>())
        .peer("amalgam-cache", |_| anew::<Amalgam>())
        .peer("cachet", |_| anew::<Cachet>())
        .peer("foyer", |_| anew::<Foyer>())
        .peer("hydracache", |_| anew::<Hydra>())
        .peer("moka", |_| anew::<Moka>())
        .peer("quick_cache", |_| anew::<QuickCache>())
}

/// How much longer than the load the last of ten thousand callers waits.
pub(crate) fn herd() -> Fact {
    Fact::new("milliseconds that the last of 10 000 waits beyond a load of 100 ms").of(
        "ctxsvc",
        || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_time()
                .build();
            runtime.expect("a runtime").block_on(async {
                let takes = Duration::from_millis(100);
                let loads = Arc::new(AtomicU64::new(0));
                let rows = Rows {
                    takes,
                    loads: Arc::clone(&loads),
                };
                let cached = Cached::builder("rows", rows).build();
                let started = tokio::time::Instant::now();
                let asking: Vec<_> = (0..10_000)
                    .map(|_| {
                        let cached = cached.clone();
                        tokio::spawn(async move { cached.get(&Ctx::root(), &1).await.is_ok() })
                    })
                    .collect();
                for asking in asking {
                    assert!(asking.await.expect("no panic"));
                }
                assert_eq!(loads.load(Ordering::SeqCst), 1);
                started.elapsed().saturating_sub(takes).as_secs_f64() * 1e3
            })
        },
    )
}
