//! What happens when Redis fails, row by row: `cargo xtask test -p ctxsvc chaos`.

#![cfg(unix)]

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../promises/repository.rs"]
mod repository;

mod history;
mod long;
mod network;
mod processes;
mod server;
mod writes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ctxsvc::{Cached, Ctx, Hit, Json, Redis as Level, Source};
use repository::{Broken, Repository};
use testkit::{Proxy, Redis};

/// Long enough for an answer from a healthy server on a busy machine.
const BUDGET: Duration = Duration::from_millis(200);

/// What a busy machine may take on top of a budget.
const SLACK: Duration = Duration::from_millis(400);

/// Silence after which a link is given up, and how long a value is fresh without one.
const SILENCE: Duration = Duration::from_millis(1_500);
const UNLINKED_TTL: Duration = Duration::from_secs(1);

/// For what is bound to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A database of rows that all have the same value, and a count of its loads.
#[derive(Clone)]
struct Rows {
    row: Arc<AtomicU64>,
    repository: Repository,
}

impl Rows {
    fn new() -> Self {
        let row = Arc::new(AtomicU64::new(1));
        let read = Arc::clone(&row);
        let repository = Repository::new(move |_key, _nth| {
            let row = read.load(Ordering::SeqCst);
            async move { Ok(Some(row)) }
        });
        Self { row, repository }
    }

    /// A process on it that remembers for long.
    fn process(&self, url: &str) -> Cached<Repository> {
        let level = Level::open(url).expect("a URL");
        let level = level.budget(BUDGET).unlinked_ttl(UNLINKED_TTL);
        Cached::builder("rows", self.repository.clone())
            .ttl(Duration::from_secs(600))
            .redis(level, Json)
            .build()
    }

    fn write(&self) -> u64 {
        self.row.fetch_add(1, Ordering::SeqCst) + 1
    }

    async fn update(&self, process: &Cached<Repository>, key: u32) -> bool {
        let write = async { Ok::<_, Broken>(self.write()) };
        let committed = process.update(&Ctx::root(), &key, write).await;
        committed.expect("a write never fails").invalidated
    }
}

async fn get(process: &Cached<Repository>, key: u32) -> Hit<u64> {
    let found = process.get(&Ctx::root(), &key).await;
    let hit = found.expect("Redis is nobody's error");
    hit.expect("it exists")
}

/// A healthy process on a key that it remembers.
async fn settled(rows: &Rows, url: &str) -> Cached<Repository> {
    let process = rows.process(url);
    testkit::wait_for(
        async || {
            get(&process, 1).await;
            is_linked(&process).then(|| get(&process, 1))
        },
        PATIENCE,
    )
    .await
    .await;
    let is_remembered = async || get(&process, 1).await.source() == Source::Memory;
    testkit::wait_for(is_remembered, PATIENCE).await;
    process
}

fn is_linked(process: &Cached<Repository>) -> bool {
    format!("{process:?}").contains("is_heard: true")
}

fn through(proxy: &Proxy) -> String {
    format!("redis://{}", proxy.addr())
}

/// A key that nobody has asked for yet.
fn fresh_key() -> u32 {
    static NEXT: AtomicU64 = AtomicU64::new(1_000);
    u32::try_from(NEXT.fetch_add(1, Ordering::SeqCst)).expect("a small number")
}

/// Whether what a process loads is found in Redis by others.
async fn is_shared(
    process: &Cached<Repository>,
    rows: &Rows,
    server: &Redis,
) -> Result<(), Source> {
    let key = fresh_key();
    get(process, key).await;
    match get(&rows.process(&server.url()), key).await.source() {
        Source::Redis => Ok(()),
        other => Err(other),
    }
}

async fn timed<T>(asked: impl Future<Output = T>) -> (T, Duration) {
    let started = Instant::now();
    let answer = asked.await;
    (answer, started.elapsed())
}
