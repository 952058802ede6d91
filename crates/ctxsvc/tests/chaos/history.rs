//! What two processes see of rows while the network between them and Redis does what it likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ctxsvc::{Cached, Ctx};
use testkit::{Link, Proxy, Redis};
use tokio::task::JoinSet;

use crate::repository::{Broken, Repository};
use crate::{BUDGET, SILENCE, SLACK, UNLINKED_TTL, through};

const KEYS: usize = 4;

/// A hundredth of what `cargo xtask test --full` asks for.
const OPERATIONS: u64 = 10_000;

fn operations() -> u64 {
    let set = std::env::var("PROPTEST_CASES").ok();
    let full = set.and_then(|cases| cases.parse::<u64>().ok());
    full.map_or(OPERATIONS, |cases| cases * OPERATIONS / 256)
}

#[derive(Debug, Clone, Copy)]
struct Operation {
    process: usize,
    key: u32,
    value: u64,
    called: Instant,
    returned: Instant,
    /// None is a read.
    invalidated: Option<bool>,
}

/// Each row is a number that grows. Reading it takes a moment, as a query does.
#[derive(Clone, Default)]
struct Table {
    rows: Arc<[AtomicU64; KEYS]>,
}

impl Table {
    fn row(&self, key: u32) -> &AtomicU64 {
        &self.rows[key as usize % KEYS]
    }

    fn repository(&self) -> Repository {
        let table = self.clone();
        Repository::new(move |key, nth| {
            let value = table.row(key).load(Ordering::SeqCst);
            async move {
                tokio::time::sleep(Duration::from_millis(nth as u64 % 4)).await;
                Ok(Some(value))
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server"]
async fn no_read_is_older_than_an_update_of_its_process_or_than_the_bound_of_another_one() {
    let server = Redis::start(&[]).expect("a server");
    let table = Table::default();
    let proxies = [(); 2].map(|()| Proxy::to(server.addr()).expect("a port"));
    let processes = [0, 1].map(|at: usize| {
        let level = ctxsvc::Redis::open(&through(&proxies[at])).expect("a URL");
        let level = level
            .budget(Duration::from_millis(50))
            .unlinked_ttl(UNLINKED_TTL);
        Cached::builder("rows", table.repository())
            .ttl(Duration::from_secs(600))
            .redis(level, ctxsvc::Json)
            .build()
    });
    let (log, left) = (
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(AtomicU64::new(operations())),
    );
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let (process, table) = (processes[task % 2].clone(), table.clone());
        let (log, left) = (Arc::clone(&log), Arc::clone(&left));
        tasks.spawn(async move {
            let mut nth = task as u64;
            while left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |it| it.checked_sub(1))
                .is_ok()
            {
                nth = nth
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let operation = operate(&process, &table, task % 2, nth >> 33).await;
                log.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(operation);
            }
        });
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let faults = tokio::spawn(faults(proxies, Arc::clone(&is_over)));
    tasks.join_all().await;
    is_over.store(true, Ordering::SeqCst);
    faults.await.expect("no panic");
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    check(&mut log);
}

async fn operate(process: &Cached<Repository>, table: &Table, at: usize, chance: u64) -> Operation {
    let (key, chance) = (chance % KEYS as u64, chance / KEYS as u64);
    let (key, ctx) = (u32::try_from(key).expect("a digit"), Ctx::root());
    if chance.is_multiple_of(8) {
        tokio::time::sleep(Duration::from_millis(chance % 7)).await;
    }
    let called = Instant::now();
    let (value, invalidated) = if chance.is_multiple_of(32) {
        let write = async { Ok::<_, Broken>(table.row(key).fetch_add(1, Ordering::SeqCst) + 1) };
        let committed = process.update(&ctx, &key, write).await;
        let committed = committed.expect("a write never fails");
        (committed.value, Some(committed.invalidated))
    } else {
        let hit = process.get(&ctx, &key).await;
        (
            *hit.expect("Redis is nobody's error").expect("it exists"),
            None,
        )
    };
    Operation {
        process: at,
        key,
        value,
        called,
        returned: Instant::now(),
        invalidated,
    }
}

/// One fault after the other, with some health in between.
async fn faults(proxies: [Proxy; 2], is_over: Arc<AtomicBool>) {
    let links = [
        Link::Reset,
        Link::Blackhole,
        Link::LoseReplies,
        Link::Delay(Duration::from_millis(20)),
        Link::Fin,
        Link::Delay(Duration::from_millis(120)),
    ];
    for (nth, link) in links.into_iter().cycle().enumerate() {
        if is_over.load(Ordering::SeqCst) {
            break;
        }
        proxies[nth % 2].set(link);
        tokio::time::sleep(Duration::from_millis(150)).await;
        proxies[nth % 2].set(Link::Pass);
        if nth % 5 == 4 {
            proxies[1].orphan();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn check(log: &mut [Operation]) {
    log.sort_by_key(|operation| operation.called);
    let writes: Vec<_> = log.iter().filter(|it| it.invalidated.is_some()).collect();
    let (mut reads, mut oldest, mut untold) = (0, Duration::ZERO, Duration::ZERO);
    for read in log.iter().filter(|it| it.invalidated.is_none()) {
        reads += 1;
        let before = writes.iter().filter(|write| write.key == read.key);
        for write in before.take_while(|write| write.called < read.called) {
            let is_older = read.value < write.value && write.returned < read.called;
            if !is_older {
                continue;
            }
            assert_ne!(
                read.process, write.process,
                "{read:?} is older than {write:?}"
            );
            let age = read.called - write.returned;
            if write.invalidated == Some(true) {
                oldest = oldest.max(age);
            } else {
                // Until it is repaired.
                untold = untold.max(age);
            }
        }
    }
    println!(
        "{reads} reads, {} writes; behind what another process has written by {oldest:?} at most, and \
         by {untold:?} where Redis could not be told at first",
        writes.len()
    );
    let bound = SILENCE.max(UNLINKED_TTL) + BUDGET + SLACK;
    assert!(oldest < bound, "{oldest:?}");
    // The longest pause of a connection that has failed several times, and what it takes then.
    assert!(untold < Duration::from_secs(2) + bound, "{untold:?}");
    assert!(writes.len() > 100, "{} writes", writes.len());
}
