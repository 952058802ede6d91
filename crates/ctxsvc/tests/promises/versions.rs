//! Versions of rows, where replicas lag behind.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use ctxsvc::{Cached, Ctx, Load, Source};
use tokio::time::advance;

const TTL: Duration = Duration::from_secs(60);

/// For how long what was seen counts.
const LAG: Duration = Duration::from_secs(10);

/// A row whose value is its version. It is read from whichever replica the test says.
#[derive(Clone, Default)]
struct Replica {
    row: Arc<AtomicU64>,
    loads: Arc<AtomicUsize>,
}

impl Load for Replica {
    type Key = u8;
    type Value = u64;
    type Error = Infallible;

    async fn load(&self, _ctx: &Ctx, _key: &u8) -> Result<Option<u64>, Infallible> {
        self.loads.fetch_add(1, SeqCst);
        let row = self.row.load(SeqCst);
        Ok((row > 0).then_some(row))
    }

    fn version(row: &u64) -> Option<u64> {
        assert_ne!(*row, 13, "it has no version");
        (*row < 1_000).then_some(*row)
    }
}

impl Replica {
    fn at(row: u64) -> Self {
        let replica = Self::default();
        replica.has(row);
        replica
    }

    fn has(&self, row: u64) {
        self.row.store(row, SeqCst);
    }

    fn loads(&self) -> usize {
        self.loads.load(SeqCst)
    }

    fn cached(&self) -> Cached<Self> {
        Cached::builder("rows", self.clone()).ttl(TTL).build()
    }
}

async fn get(cached: &Cached<Replica>) -> (u64, Source) {
    let found = cached.get(&Ctx::root(), &1).await.expect("it is loaded");
    let hit = found.expect("it exists");
    (*hit, hit.source())
}

/// A write to the primary, which the replica does not have yet.
async fn update(cached: &Cached<Replica>) {
    let write = async { Ok::<_, Infallible>(()) };
    let committed = cached.update(&Ctx::root(), &1, write).await;
    assert!(committed.expect("it is written").invalidated);
}

#[tokio::test(start_paused = true)]
async fn what_a_replica_still_has_after_a_write_is_not_remembered() {
    let replica = Replica::at(1);
    let cached = replica.cached();
    get(&cached).await;
    update(&cached).await;
    for loads in 2..5 {
        assert_eq!(get(&cached).await, (1, Source::Origin), "not there yet");
        assert_eq!(replica.loads(), loads);
    }
    replica.has(2);
    assert_eq!(get(&cached).await, (2, Source::Origin));
    assert_eq!(get(&cached).await, (2, Source::Memory));
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_lags_for_longer_than_versions_count_is_believed() {
    let replica = Replica::at(1);
    let cached = replica.cached();
    get(&cached).await;
    update(&cached).await;
    advance(LAG * 9 / 10).await;
    for _ in 0..2 {
        assert_eq!(get(&cached).await, (1, Source::Origin));
    }
    advance(LAG / 10).await;
    assert_eq!(get(&cached).await, (1, Source::Origin));
    assert_eq!(get(&cached).await, (1, Source::Memory));
}

#[tokio::test(start_paused = true)]
async fn an_older_version_does_not_take_the_place_of_one_that_is_remembered() {
    let replica = Replica::at(2);
    let cached = replica.cached();
    get(&cached).await;
    advance(TTL).await;
    replica.has(1);
    for _ in 0..2 {
        assert_eq!(
            get(&cached).await,
            (1, Source::Origin),
            "from another replica"
        );
    }
    replica.has(2);
    assert_eq!(get(&cached).await, (2, Source::Origin), "the same one may");
    assert_eq!(get(&cached).await, (2, Source::Memory));
    // A database that was restored has older versions for good.
    advance(TTL + LAG).await;
    replica.has(1);
    assert_eq!(get(&cached).await, (1, Source::Origin));
    assert_eq!(get(&cached).await, (1, Source::Memory));
}

#[tokio::test(start_paused = true)]
async fn several_keys_at_once_are_no_older_than_one_by_one() {
    let replica = Replica::at(1);
    let cached = replica.cached();
    get(&cached).await;
    update(&cached).await;
    for _ in 0..2 {
        let found = cached.get_many(&Ctx::root(), &[1, 2]).await;
        let found = found.expect("it is loaded");
        assert_eq!((found[&1].source(), *found[&1]), (Source::Origin, 1));
    }
    assert_eq!(
        cached
            .get(&Ctx::root(), &2)
            .await
            .expect("it is loaded")
            .expect("it exists")
            .source(),
        Source::Memory
    );
}

#[tokio::test(start_paused = true)]
async fn what_has_no_version_is_remembered_whatever_was_seen() {
    for row in [0, 1_000] {
        let replica = Replica::at(1);
        let cached = replica.cached();
        get(&cached).await;
        update(&cached).await;
        replica.has(row);
        for _ in 0..2 {
            cached.get(&Ctx::root(), &1).await.expect("it is loaded");
        }
        assert_eq!(replica.loads(), 2, "{row}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_a_write_does_not_make_an_older_version_believed() {
    let replica = Replica::at(1);
    let cached = replica.cached();
    get(&cached).await;
    update(&cached).await;
    replica.has(13);
    cached
        .get(&Ctx::root(), &1)
        .await
        .expect_err("its version panics");
    replica.has(1);
    advance(Duration::from_secs(1)).await;
    for _ in 0..2 {
        assert_eq!(get(&cached).await, (1, Source::Origin));
    }
}
