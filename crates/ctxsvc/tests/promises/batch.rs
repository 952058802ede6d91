//! Several keys at once.

use std::time::Duration;

use ctxsvc::{CacheError, Cached, Ctx, Source};
use tokio::time::Instant;

use crate::repository::{Broken, Repository};

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_loaded_by_one_call_and_the_rest_is_remembered() {
    let repository = Repository::taking(20);
    let users = Cached::builder("users", repository.clone()).build();
    let root = Ctx::root();
    users.get(&root, &1).await.expect("loaded");

    let found = users
        .get_many(&root, &[1, 2, 3, 7, 2, 3])
        .await
        .expect("loaded");
    let mut keys: Vec<_> = found.keys().copied().collect();
    keys.sort_unstable();
    assert_eq!(keys, [1, 2, 3], "7 does not exist");
    assert_eq!(found[&1].source(), Source::Memory);
    assert_eq!((*found[&2], found[&2].source()), (2, Source::Origin));
    assert_eq!(repository.loads(), 2);

    let again = users
        .get_many(&root, &[7, 3, 2, 1])
        .await
        .expect("remembered");
    assert_eq!(again.len(), 3);
    assert!(users.get(&root, &7).await.expect("remembered").is_none());
    assert_eq!(repository.loads(), 2);
    assert!(
        users
            .get_many(&root, &[])
            .await
            .expect("nothing")
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_for_overlapping_keys_share_their_loads() {
    let repository = Repository::taking(20);
    let users = Cached::builder("users", repository.clone()).build();
    let root = Ctx::root();
    let started = Instant::now();
    let (first, second, third) = tokio::join!(
        users.get_many(&root, &[1, 2]),
        users.get_many(&root, &[2, 3]),
        users.get(&root, &3),
    );
    assert_eq!(first.expect("loaded").len(), 2);
    assert_eq!(second.expect("loaded").len(), 2);
    assert!(third.expect("loaded").is_some());
    assert_eq!(repository.loads(), 2);
    assert_eq!(started.elapsed(), Duration::from_millis(20));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_nobody_has_asked_for_is_an_error_and_nothing_is_remembered_of_it() {
    let users = Cached::builder("users", Repository::taking(0)).build();
    let root = Ctx::root();
    let error = users
        .get_many(&root, &[12, 13])
        .await
        .expect_err("14 was not asked for");
    assert!(matches!(error, CacheError::WrongKey), "{error}");
    assert!(
        users.get(&root, &12).await.is_err(),
        "none of it was believed"
    );
    assert!(
        users
            .get(&root, &14)
            .await
            .expect("loaded")
            .is_some_and(|hit| *hit == 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_that_of_all_keys_that_were_loaded_together() {
    let repository =
        Repository::new(async |_key, nth| if nth == 0 { Ok(Some(1)) } else { Err(Broken) });
    let users = Cached::builder("users", repository.clone()).build();
    let root = Ctx::root();
    users.get(&root, &1).await.expect("loaded");
    let error = users
        .get_many(&root, &[1, 2, 3])
        .await
        .expect_err("it is broken");
    assert_eq!(error.failed(), Some(&Broken));
    assert!(users.get(&root, &1).await.expect("remembered").is_some());
    assert_eq!(
        users.get(&root, &2).await.expect_err("held back").failed(),
        Some(&Broken)
    );
    assert_eq!(repository.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_held_back_leaves_nobody_waiting_for_another_one() {
    let repository =
        Repository::new(async |key, _nth| if key == 2 { Err(Broken) } else { Ok(Some(1)) });
    let users = Cached::builder("users", repository.clone()).build();
    let root = Ctx::root();
    users.get(&root, &2).await.expect_err("it is broken");
    let error = users.get_many(&root, &[1, 2]).await.expect_err("held back");
    assert_eq!(error.failed(), Some(&Broken));
    let patient = root.with_timeout(Duration::from_mins(1));
    let first = users.get(&patient, &1).await.expect("it is loaded");
    assert!(first.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_invalidation_beats_a_batch_that_is_under_way() {
    let repository = Repository::taking(20);
    let users = Cached::builder("users", repository.clone()).build();
    let batch = tokio::spawn({
        let users = users.clone();
        async move {
            users
                .get_many(&Ctx::root(), &[1, 2])
                .await
                .map(|found| found.len())
        }
    });
    tokio::task::yield_now().await;
    assert!(users.invalidate(&1).await);
    assert_eq!(batch.await.expect("no panic").expect("loaded"), 2);
    let root = Ctx::root();
    let second = users
        .get(&root, &2)
        .await
        .expect("remembered")
        .expect("it exists");
    assert_eq!(second.source(), Source::Memory);
    let first = users
        .get(&root, &1)
        .await
        .expect("loaded")
        .expect("it exists");
    assert_eq!(first.source(), Source::Origin);
}
