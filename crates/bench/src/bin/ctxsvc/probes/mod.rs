//! What becomes of a load whose callers, loader or row change under way.

pub(crate) mod caches;
pub(crate) mod origin;

use std::task::Context;
use std::time::{Duration, Instant};

use bench::Fact;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use caches::{Amalgam, Cache, Cachet, Foyer, Hydra, Moka, Ours, QuickCache};
use origin::{Ends, Origin};

const LOAD: Duration = Duration::from_millis(20);

/// For what a cache may never do.
const PATIENCE: Duration = Duration::from_secs(1);

pub(crate) fn facts() -> Vec<Fact> {
    [
        Probe::LeaderDropped,
        Probe::Impatient,
        Probe::Unpolled,
        Probe::Panic,
        Probe::WriteDuring,
        Probe::Failing,
        Probe::Repeated,
    ]
    .map(Probe::fact)
    .into()
}

#[derive(Debug, Clone, Copy)]
enum Probe {
    LeaderDropped,
    Impatient,
    Unpolled,
    Panic,
    WriteDuring,
    Failing,
    Repeated,
}

impl Probe {
    fn fact(self) -> Fact {
        Fact::new(self.name())
            .of("ctxsvc", move || self.figure::<Ours>())
            .of("amalgam-cache", move || self.figure::<Amalgam>())
            .of("cachet", move || self.figure::<Cachet>())
            .of("foyer", move || self.figure::<Foyer>())
            .of("hydracache", move || self.figure::<Hydra>())
            .of("moka", move || self.figure::<Moka>())
            .of("quick_cache", move || self.figure::<QuickCache>())
    }

    fn name(self) -> &'static str {
        match self {
            Self::LeaderDropped => "loads for 1 000 callers whose leader is dropped at 15 of 20 ms",
            Self::Impatient => "of 100 callers who give up after 5 ms each, served, load of 20 ms",
            Self::Unpolled => "followers of a leader that nobody polls that are served within 1 s",
            Self::Panic => "of 100 callers, those that a loader which panics takes along",
            Self::WriteDuring => {
                "of 2 who ask after a write was told, during the load before it and after that, \
                 those who get the old row"
            }
            Self::Failing => {
                "milliseconds until the last of 300 has the failure of a load of 20 ms"
            }
            Self::Repeated => "loads for 100 calls in a row of what fails at once",
        }
    }

    fn figure<C: Cache>(self) -> f64 {
        // The panic of the probe is no news.
        std::panic::set_hook(Box::new(|_| {}));
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build();
        let figure = runtime.expect("a runtime").block_on(async {
            match self {
                Self::LeaderDropped => leader_dropped::<C>().await,
                Self::Impatient => impatient::<C>().await,
                Self::Unpolled => unpolled::<C>().await,
                Self::Panic => panicking::<C>().await,
                Self::WriteDuring => write_during::<C>().await,
                Self::Failing => failing::<C>().await,
                Self::Repeated => repeated::<C>().await,
            }
        });
        (figure * 10.0).round() / 10.0
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn count(number: u64) -> f64 {
    number as f64
}

fn well() -> Origin {
    Origin::new(LOAD, Ends::Well)
}

fn asking<C: Cache>(cache: &C, callers: usize) -> JoinSet<Result<u64, ()>> {
    let ask = |_| {
        let cache = cache.clone();
        async move { cache.get().await }
    };
    (0..callers).map(ask).collect()
}

async fn leader_dropped<C: Cache>() -> f64 {
    let origin = well();
    let cache = C::before(origin.clone());
    let leader = asking(&cache, 1);
    while origin.loads() == 0 {
        tokio::task::yield_now().await;
    }
    let followers = asking(&cache, 1_000);
    sleep(LOAD * 3 / 4).await;
    drop(leader);
    for answer in followers.join_all().await {
        assert_eq!(answer, Ok(1));
    }
    count(origin.loads())
}

async fn impatient<C: Cache>() -> f64 {
    let cache = C::before(well());
    let mut served = 0;
    for _ in 0..100 {
        served += u64::from(timeout(LOAD / 4, cache.get()).await.is_ok());
    }
    count(served)
}

async fn unpolled<C: Cache>() -> f64 {
    let cache = C::before(well());
    let mut leader = Box::pin(cache.get());
    let polled = std::future::poll_fn(|cx: &mut Context<'_>| {
        let _ = leader.as_mut().poll(cx);
        std::task::Poll::Ready(())
    });
    polled.await;
    let follower = cache.clone();
    let follower = tokio::spawn(async move { timeout(PATIENCE, follower.get()).await });
    let served = follower.await.expect("no panic").is_ok();
    drop(leader);
    count(u64::from(served))
}

async fn panicking<C: Cache>() -> f64 {
    let cache = C::before(Origin::new(LOAD, Ends::InPanic));
    let mut asking = asking(&cache, 100);
    let mut panicked = 0;
    while let Some(answer) = asking.join_next().await {
        panicked += u64::from(answer.is_err());
    }
    count(panicked)
}

async fn write_during<C: Cache>() -> f64 {
    let origin = well();
    let cache = C::before(origin.clone());
    let before = asking(&cache, 1);
    while origin.loads() == 0 {
        tokio::task::yield_now().await;
    }
    sleep(LOAD / 4).await;
    let row = origin.write();
    cache.forget().await;
    let during = cache.get().await;
    before.join_all().await;
    let after = cache.get().await;
    let is_old = |read: Result<u64, ()>| u64::from(read != Ok(row));
    count(is_old(during) + is_old(after))
}

async fn failing<C: Cache>() -> f64 {
    let cache = C::before(Origin::new(LOAD, Ends::InFailure));
    let began = Instant::now();
    for answer in asking(&cache, 300).join_all().await {
        assert_eq!(answer, Err(()));
    }
    began.elapsed().as_secs_f64() * 1e3
}

async fn repeated<C: Cache>() -> f64 {
    let origin = Origin::new(Duration::ZERO, Ends::InFailure);
    let cache = C::before(origin.clone());
    for _ in 0..100 {
        assert_eq!(cache.get().await, Err(()));
    }
    count(origin.loads())
}
