//! How long what is remembered, and what is given when there is nothing better.

use std::time::Duration;

use ctxsvc::{CacheError, Cached, CachedBuilder, Ctx, Source};
use tokio::time::{Instant, advance, sleep};

use crate::repository::{Broken, Repository};

const TTL: Duration = Duration::from_secs(60);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn builder(repository: &Repository) -> CachedBuilder<Repository> {
    Cached::builder("users", repository.clone()).ttl(TTL)
}

#[tokio::test(start_paused = true)]
async fn a_value_is_loaded_again_when_its_time_is_over_and_not_before() {
    let repository = Repository::taking(0);
    let users = builder(&repository).build();
    let root = Ctx::root();
    for (after, loads) in [(ms(0), 1), (TTL * 8 / 10, 1), (TTL * 3 / 10, 2)] {
        advance(after).await;
        assert!(users.get(&root, &1).await.expect("loaded").is_some());
        assert_eq!(repository.loads(), loads, "{after:?} later");
    }
}

#[tokio::test(start_paused = true)]
async fn that_there_is_no_value_is_remembered_for_its_own_time() {
    let repository = Repository::new(async |_key, nth| Ok((nth > 0).then_some(1)));
    let users = builder(&repository).negative_ttl(ms(1_000)).build();
    let root = Ctx::root();
    for _ in 0..3 {
        assert!(users.get(&root, &1).await.expect("no error").is_none());
    }
    assert_eq!(repository.loads(), 1);
    advance(ms(1_000)).await;
    assert!(users.get(&root, &1).await.expect("loaded").is_some());
}

#[tokio::test(start_paused = true)]
async fn that_there_was_no_value_does_not_hide_one_that_was_written() {
    let repository = Repository::new(async |_key, nth| Ok((nth > 0).then_some(1)));
    let users = builder(&repository).build();
    let root = Ctx::root();
    assert!(users.get(&root, &1).await.expect("no error").is_none());
    let write = async { Ok::<_, Broken>(()) };
    users.update(&root, &1, write).await.expect("written");
    assert!(users.get(&root, &1).await.expect("loaded").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_not_repeated_for_each_caller_and_less_often_each_time() {
    let repository = Repository::new(async |_key, _nth| Err(Broken));
    let users = builder(&repository).build();
    let root = Ctx::root();
    let started = Instant::now();
    let mut loads = Vec::new();
    while loads.len() < 9 {
        let error = users.get(&root, &1).await.expect_err("it is broken");
        assert_eq!(error.failed(), Some(&Broken));
        if repository.loads() > loads.len() {
            loads.push(started.elapsed().as_millis());
        }
        advance(ms(10)).await;
    }
    assert_eq!(loads, [0, 50, 150, 350, 750, 1_550, 3_150, 6_350, 11_350]);
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_given_at_once_while_a_newer_one_is_loaded() {
    let repository = Repository::taking(20);
    let users = builder(&repository).stale_for(TTL).build();
    let root = Ctx::root();
    assert!(users.get(&root, &1).await.expect("loaded").is_some());
    advance(TTL).await;
    let started = Instant::now();
    for _ in 0..3 {
        let hit = users
            .get(&root, &1)
            .await
            .expect("stale")
            .expect("it exists");
        assert!(hit.is_stale());
        assert_eq!((*hit, hit.source()), (0, Source::Memory));
    }
    assert_eq!(started.elapsed(), ms(0));
    sleep(ms(21)).await;
    let hit = users
        .get(&root, &1)
        .await
        .expect("fresh")
        .expect("it exists");
    assert_eq!((*hit, hit.is_stale()), (1, false));
    assert_eq!(repository.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_newer_value_is_waited_for_as_long_as_the_soft_timeout_says() {
    // The second load takes so long: what is given after how long.
    for (takes, value, stale, waited) in [(20, 1, false, 20), (80, 0, true, 50)] {
        let repository = Repository::new(move |_key, nth| async move {
            sleep(ms(if nth == 0 { 0 } else { takes })).await;
            Ok(Some(nth as u64))
        });
        let users = builder(&repository)
            .stale_for(TTL)
            .soft_timeout(ms(50))
            .build();
        let root = Ctx::root();
        assert!(users.get(&root, &1).await.expect("loaded").is_some());
        advance(TTL).await;
        let started = Instant::now();
        let hit = users
            .get(&root, &1)
            .await
            .expect("some")
            .expect("it exists");
        assert_eq!((*hit, hit.is_stale()), (value, stale), "{takes}");
        assert_eq!(started.elapsed(), ms(waited), "{takes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_stands_in_for_a_load_that_fails_until_it_is_too_old() {
    let repository =
        Repository::new(async |_key, nth| if nth == 0 { Ok(Some(7)) } else { Err(Broken) });
    let users = builder(&repository)
        .stale_for(TTL)
        .soft_timeout(ms(50))
        .build();
    let root = Ctx::root();
    assert!(users.get(&root, &1).await.expect("loaded").is_some());
    advance(TTL).await;
    for _ in 0..5 {
        let hit = users
            .get(&root, &1)
            .await
            .expect("stale")
            .expect("it exists");
        assert!(hit.is_stale() && *hit == 7);
    }
    assert_eq!(repository.loads(), 2, "it is left alone for a while");
    advance(TTL).await;
    let error = users.get(&root, &1).await.expect_err("too old");
    assert_eq!(error.failed(), Some(&Broken));
}

#[tokio::test(start_paused = true)]
async fn a_load_that_hangs_ends_with_the_load_timeout() {
    let repository = Repository::new(async |_key, _nth| std::future::pending().await);
    let users = builder(&repository).load_timeout(ms(200)).build();
    let started = Instant::now();
    let error = users.get(&Ctx::root(), &1).await.expect_err("it hangs");
    assert!(
        matches!(error, CacheError::TimedOut { limit, .. } if limit == ms(200)),
        "{error}"
    );
    assert_eq!(started.elapsed(), ms(200));
}

#[tokio::test(start_paused = true)]
async fn settings_of_zero_remember_nothing_and_still_answer() {
    let repository = Repository::taking(0);
    for users in [
        builder(&repository).capacity(0).build(),
        builder(&repository).ttl(ms(0)).build(),
    ] {
        let before = repository.loads();
        for _ in 0..2 {
            let hit = users
                .get(&Ctx::root(), &1)
                .await
                .expect("loaded")
                .expect("it exists");
            assert_eq!(hit.source(), Source::Origin);
        }
        assert_eq!(repository.loads(), before + 2);
    }
}

#[tokio::test(start_paused = true)]
async fn the_memory_is_bounded() {
    let repository = Repository::taking(0);
    let users = builder(&repository).capacity(100).build();
    for key in 0..10_000 {
        users.get(&Ctx::root(), &key).await.expect("loaded");
    }
    let debug = format!("{users:?}");
    let remembered = debug
        .split("remembered: ")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    let remembered: usize = remembered.and_then(|it| it.parse().ok()).expect("it tells");
    assert!((1..=100).contains(&remembered), "{debug}");
    assert!(debug.contains("\"users\""), "{debug}");
}
