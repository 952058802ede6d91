//! SQLite keeps the promises of a store, in a file and in memory.

use std::sync::Arc;

use demo::store::{CachedStore, SqliteStore, UserStore};

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

#[tokio::test]
async fn instances_that_start_at_once_on_a_new_file_all_find_their_tables() {
    for _ in 0..10 {
        let dir = TempDir::new();
        let url = dir.sqlite_url();
        let (one, two) = tokio::join!(SqliteStore::open(&url), SqliteStore::open(&url));
        let (one, two) = (one.expect("opened"), two.expect("opened"));
        let ada = crate::conformance::user("ada@example.com");
        one.insert(&ada).await.expect("free");
        assert_eq!(two.get(ada.id).await.expect("stored by the other"), ada);
        one.close().await;
        two.close().await;
    }
}
