//! What processes have of a level that they share. Each handle here stands for a process.

use ctxsvc::{Cached, Ctx, Json, Postcard, Source};
use redis::Commands;
use testkit::wait_for;

use crate::repository::Repository;
use crate::{PATIENCE, builder, cached, connection, get, level};

#[tokio::test]
#[ignore = "needs redis"]
async fn what_one_process_has_loaded_others_find() {
    let keys = testkit::redis();
    let repository = Repository::taking(20);
    let (one, two) = (cached(&keys, &repository), cached(&keys, &repository));
    let first = get(&one, 1).await;
    assert_eq!((*first, first.source()), (0, Source::Origin));
    let second = get(&two, 1).await;
    assert_eq!((*second, second.source()), (0, Source::Redis));
    // Once its link is up.
    let is_remembered = async || get(&two, 1).await.source() == Source::Memory;
    wait_for(is_remembered, PATIENCE).await;
    assert_eq!(repository.loads(), 1);
}

#[tokio::test]
#[ignore = "needs redis"]
async fn processes_that_ask_at_the_same_time_cause_one_load() {
    let keys = testkit::redis();
    let repository = Repository::taking(50);
    let processes: Vec<_> = (0..8).map(|_| cached(&keys, &repository)).collect();
    let asking = processes.iter().map(|process| {
        let process = process.clone();
        tokio::spawn(async move { *get(&process, 1).await })
    });
    for asking in asking.collect::<Vec<_>>() {
        assert_eq!(asking.await.expect("no panic"), 0);
    }
    assert_eq!(repository.loads(), 1);
}

#[tokio::test]
#[ignore = "needs redis"]
async fn several_keys_are_found_in_redis_and_the_rest_is_one_load() {
    let keys = testkit::redis();
    let repository = Repository::taking(1);
    let (one, two) = (cached(&keys, &repository), cached(&keys, &repository));
    let ctx = Ctx::root();
    one.get_many(&ctx, &[1, 2, 7]).await.expect("loaded");
    one.close(PATIENCE).await;
    assert_eq!(repository.loads(), 1);
    let found = two.get_many(&ctx, &[1, 2, 3, 4, 7]).await.expect("loaded");
    assert_eq!(repository.loads(), 2);
    let source = |key: u32| found.get(&key).map(|hit| (**hit, hit.source()));
    assert_eq!(source(1), Some((1, Source::Redis)));
    assert_eq!(source(4), Some((4, Source::Origin)));
    assert_eq!(source(7), None, "that it does not exist is known");
    let all: Vec<_> = (20..120).collect();
    two.get_many(&ctx, &all).await.expect("loaded");
    two.close(PATIENCE).await;
    let found = one.get_many(&ctx, &all).await.expect("found");
    assert!(found.values().all(|hit| hit.source() == Source::Redis));
    assert_eq!(repository.loads(), 3);
}

#[tokio::test]
#[ignore = "needs redis"]
async fn each_key_has_a_readable_name_and_goes_by_itself() {
    let keys = testkit::redis();
    let repository = Repository::taking(1);
    let redis = level(&keys).schema(3);
    let users = Cached::builder("users", repository)
        .redis(redis, Json)
        .build();
    get(&users, 42).await;
    let mut connection = connection(&keys);
    let ttl: i64 = connection.pttl(keys.key("users:v3:42")).expect("an answer");
    // A minute, less a tenth by chance.
    assert!((50_000..=60_000).contains(&ttl), "{ttl}");
    assert!(users.invalidate(&42).await);
    let left: bool = connection
        .exists(keys.key("users:v3:42"))
        .expect("an answer");
    assert!(!left);
}

#[tokio::test]
#[ignore = "needs redis"]
async fn what_one_codec_has_written_another_one_loads_again() {
    let keys = testkit::redis();
    let repository = Repository::taking(1);
    let json = || cached(&keys, &repository);
    let postcard = || {
        let builder = Cached::builder("users", repository.clone());
        builder.redis(level(&keys), Postcard).build()
    };
    for loads in [1, 3] {
        assert_eq!(get(&postcard(), 1).await.source(), Source::Origin);
        assert_eq!(repository.loads(), loads);
        assert_eq!(get(&postcard(), 1).await.source(), Source::Redis);
        assert_eq!(get(&json(), 1).await.source(), Source::Origin);
        assert_eq!(get(&json(), 1).await.source(), Source::Redis);
    }
}

#[tokio::test]
#[ignore = "needs redis"]
async fn no_key_and_no_value_is_in_what_is_shown() {
    let keys = testkit::redis();
    let repository = Repository::new(async |key, nth| {
        if nth == 0 {
            return Ok(Some(8_675_309));
        }
        assert!(key == 0, "panics");
        Err(crate::repository::Broken)
    });
    let users = builder(&keys, &repository).build();
    get(&users, 5_550_123).await;
    let mut shown = vec![
        format!("{users:?} {:?}", level(&keys)),
        format!("{:?}", builder(&keys, &repository)),
    ];
    let ctx = Ctx::root();
    for key in [5_550_124, 0] {
        let error = users.get(&ctx, &key).await.expect_err("it fails");
        shown.push(format!("{error} {error:?}"));
    }
    let fails = async { Err::<(), _>(crate::repository::Broken) };
    let error = users.update(&ctx, &5_550_123, fails).await;
    shown.push(format!("{error:?}"));
    users.close(PATIENCE).await;
    shown.push(format!("{users:?}"));
    let shown = shown.join(" ");
    for secret in ["8675309", "555012"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_url_that_is_none_is_refused_and_not_repeated() {
    for url in ["", "http://user:hidden@host", "redis://user:hidden@"] {
        let error = ctxsvc::Redis::open(url).expect_err("no URL");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hidden"), "{shown}");
    }
    let redis = ctxsvc::Redis::open("redis://me:hidden@host:1");
    // Whether it is one depends on what else is in the build: the client may have TLS for others.
    let tls = ctxsvc::Redis::open("rediss://:hidden@host");
    assert!(redis.is_ok());
    assert!(!format!("{redis:?} {tls:?}").contains("hidden"));
}
