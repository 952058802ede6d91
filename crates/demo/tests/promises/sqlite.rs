//! SQLite keeps the promises of a store, in a file and in memory.

use std::sync::Arc;

use demo::store::{CachedStore, SqliteStore, UserStore};
use tokio::task::JoinSet;

use crate::support::TempDir;

mod in_a_file {
    crate::conformance::conformance!(super::with_file, cfg(test));
}

mod in_memory {
    crate::conformance::conformance!(super::with_memory, cfg(test));
}

mod remembered {
    crate::conformance::conformance!(super::with_cache, cfg(test));
}

async fn with_cache(promise: impl AsyncFn(&dyn UserStore)) {
    let store = SqliteStore::in_memory().await.expect("memory");
    promise(&CachedStore::new(Arc::new(store))).await;
}

async fn with_file(promise: impl AsyncFn(&dyn UserStore)) {
    let dir = TempDir::new();
    let store = SqliteStore::open(&dir.sqlite_url())
        .await
        .expect("a new file");
    promise(&store).await;
    store.close().await;
}

async fn with_memory(promise: impl AsyncFn(&dyn UserStore)) {
    let store = SqliteStore::in_memory().await.expect("memory");
    promise(&store).await;
}

#[tokio::test]
async fn what_was_stored_is_there_when_the_file_is_opened_again() {
    let dir = TempDir::new();
    let ada = crate::conformance::user("ada@example.com");
    let store = SqliteStore::open(&dir.sqlite_url())
        .await
        .expect("a new file");
    store.insert(&ada).await.expect("free");
    store.close().await;

    let store = SqliteStore::open(&dir.sqlite_url())
        .await
        .expect("the same file");
    assert_eq!(store.get(ada.id).await.expect("stored"), ada);
    store.close().await;
}

#[tokio::test]
async fn a_file_that_is_not_a_database_is_refused_and_left_alone() {
    let dir = TempDir::new();
    let bytes = "not a database\n".repeat(1_000);
    std::fs::write(dir.path().join("users.sqlite3"), &bytes).expect("writable");
    assert!(SqliteStore::open(&dir.sqlite_url()).await.is_err());
    let left = std::fs::read_to_string(dir.path().join("users.sqlite3")).expect("readable");
    assert_eq!(left, bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_start_at_once_on_a_new_file_all_find_their_tables() {
    for _ in 0..25 {
        let dir = TempDir::new();
        let mut opening = JoinSet::new();
        for _ in 0..4 {
            let url = dir.sqlite_url();
            opening.spawn(async move { SqliteStore::open(&url).await });
        }
        let stores: Vec<_> = opening.join_all().await;
        let stores: Vec<_> = stores.into_iter().map(|it| it.expect("opened")).collect();
        let ada = crate::conformance::user("ada@example.com");
        stores[0].insert(&ada).await.expect("free");
        for store in &stores {
            assert_eq!(store.get(ada.id).await.expect("stored by the first"), ada);
            store.close().await;
        }
    }
}
