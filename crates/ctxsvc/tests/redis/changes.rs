//! What processes hear of the writes of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ctxsvc::{Cached, Ctx, Source};
use redis::Commands;
use testkit::{Keys, wait_for};

use crate::repository::{Broken, Repository};
use crate::{PATIENCE, builder, connection, get};

/// A row, and two processes that remember it for long.
async fn two_on_a_row(keys: &Keys) -> (Arc<AtomicU64>, [Cached<Repository>; 2]) {
    let row = Arc::new(AtomicU64::new(1));
    let read = Arc::clone(&row);
    let repository = Repository::new(move |_key, _nth| {
        let row = read.load(Ordering::SeqCst);
        async move { Ok(Some(row)) }
    });
    let process = || {
        builder(keys, &repository)
            .ttl(Duration::from_secs(600))
            .build()
    };
    let processes = [process(), process()];
    for process in &processes {
        wait_for(async || is_linked(process).await, PATIENCE).await;
        get(process, 1).await;
        assert_eq!(get(process, 1).await.source(), Source::Memory);
    }
    (row, processes)
}

async fn is_linked(process: &Cached<Repository>) -> bool {
    // It begins to listen when it is first used.
    let _ = process.get(&Ctx::root(), &2).await;
    format!("{process:?}").contains("is_heard: true")
}

async fn has(process: &Cached<Repository>, value: u64) -> Result<(), u64> {
    let hit = get(process, 1).await;
    if *hit == value { Ok(()) } else { Err(*hit) }
}

#[tokio::test]
#[ignore = "needs redis"]
async fn an_update_is_seen_by_its_process_at_once_and_by_another_one_when_it_is_told() {
    let keys = testkit::redis();
    let (row, [one, two]) = two_on_a_row(&keys).await;
    for value in 2..100 {
        let write = async {
            row.store(value, Ordering::SeqCst);
            Ok::<_, Broken>(())
        };
        let committed = one.update(&Ctx::root(), &1, write).await.expect("written");
        assert!(committed.invalidated);
        assert_eq!(has(&one, value).await, Ok(()));
        wait_for(async || has(&two, value).await, PATIENCE).await;
    }
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_write_of_anybody_to_a_key_in_redis_is_heard() {
    type Write = fn(&mut redis::Connection, &str);
    let writes: [Write; 4] = [
        |redis, name| redis.del(name).expect("an answer"),
        |redis, name| redis.set(name, "what is this").expect("an answer"),
        |redis, name| redis.pexpire(name, 1).expect("an answer"),
        |redis, name| {
            let () = redis.del(name).expect("an answer");
            let () = redis.lpush(name, "a list").expect("an answer");
        },
    ];
    let keys = testkit::redis();
    let (row, processes) = two_on_a_row(&keys).await;
    let mut redis = connection(&keys);
    for (value, write) in (2..).zip(writes) {
        row.store(value, Ordering::SeqCst);
        write(&mut redis, &keys.key("users:v0:1"));
        for process in &processes {
            wait_for(async || has(process, value).await, PATIENCE).await;
            wait_for(
                async || get(process, 1).await.source() == Source::Memory,
                PATIENCE,
            )
            .await;
        }
    }
}

/// Readers that never pause, beside a writer: as redis-rs' own client-side caching is caught by.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis"]
async fn a_read_beside_a_write_is_not_remembered_beyond_it() {
    let keys = testkit::redis();
    let (row, [one, two]) = two_on_a_row(&keys).await;
    let reading = [&two, &two, &one].map(|process| {
        let (process, row) = (process.clone(), Arc::clone(&row));
        tokio::spawn(async move {
            while row.load(Ordering::SeqCst) < 150 {
                let found = process.get(&Ctx::root(), &1).await;
                found.expect("it is loaded").expect("it exists");
                tokio::task::yield_now().await;
            }
        })
    });
    for value in 2..=150 {
        let write = async {
            row.store(value, Ordering::SeqCst);
            Ok::<_, Broken>(())
        };
        let committed = one.update(&Ctx::root(), &1, write).await.expect("written");
        assert!(committed.invalidated);
        let seen = one.get(&Ctx::root(), &1).await.expect("loaded");
        assert_eq!(seen.map(|hit| *hit), Some(value));
        let is_seen = async || {
            let seen = two.get(&Ctx::root(), &1).await.expect("loaded");
            seen.is_some_and(|hit| *hit == value)
        };
        wait_for(is_seen, PATIENCE).await;
    }
    for reading in reading {
        reading.await.expect("no panic");
    }
}
