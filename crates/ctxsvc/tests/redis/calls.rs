//! What is traced of each call of Redis.

use std::collections::BTreeSet;
use std::time::Duration;

use ctxsvc::{Cached, Ctx, Json, Redis};
use testkit::{Link, Proxy, wait_for};
use tracing::{info_span, subscriber};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

use crate::repository::Repository;
use crate::spans::Spans;
use crate::{PATIENCE, cached, get, level, prefix};

/// A row that is nowhere else in what is traced.
const SECRET: u64 = 8_675_309;

fn secretive() -> Repository {
    Repository::new(async |_, _| Ok(Some(SECRET)))
}

#[tokio::test]
#[ignore = "needs redis"]
async fn each_call_of_redis_has_a_span_in_that_of_whoever_waits_for_it_and_a_hit_has_none() {
    let keys = testkit::redis();
    let (ctx, users) = (Ctx::root(), cached(&keys, &secretive()));
    get(&users, 5_550_120).await;
    let spans = Spans::default();
    let _default = subscriber::set_default(Registry::default().with(spans.clone()));
    let _request = info_span!("request").entered();
    get(&users, 5_550_121).await;
    users
        .get_many(&ctx, &[5_550_122, 5_550_123])
        .await
        .expect("loaded");
    assert!(users.invalidate(&5_550_121).await);
    users.close(PATIENCE).await;

    let lines = spans.lines();
    let server = keys.url().trim_start_matches("redis://").split('/').next();
    let (host, port) = server.and_then(|it| it.rsplit_once(':')).expect("a port");
    let place = format!(" server.address={host:?} server.port={port}");
    let calls = lines
        .iter()
        .filter_map(|line| line.strip_prefix("redis in "));
    let mut seen = BTreeSet::new();
    for call in calls {
        let (parent, fields) = call.split_once(':').expect("fields");
        assert!(fields.ends_with(&place), "{call} is not to {place}");
        assert!(
            fields.contains("otel.kind=\"client\" db.system.name=\"redis\""),
            "{call}"
        );
        let field = |name: &str| {
            let (_, rest) = fields.split_once(&format!(" {name}="))?;
            // In quotes, unless it is a number.
            let text = rest.strip_prefix('"').and_then(|it| it.split('"').next());
            text.or_else(|| rest.split(' ').next())
        };
        assert_eq!(field("otel.name"), field("db.operation.name"));
        let batch = field("db.operation.batch.size").unwrap_or_default();
        let operation = field("db.operation.name").expect("it does something");
        assert_eq!(
            operation == "EVALSHA",
            field("db.stored_procedure.name").is_some()
        );
        seen.insert(format!("{operation} {batch} in {parent}"));
    }
    for expected in [
        "EVALSHA  in cache.load",
        "EVALSHA  in request",
        "GETRANGE  in cache.load",
        "PIPELINE 2 in cache.load",
        "PIPELINE GETRANGE 2 in cache.load",
    ] {
        assert!(seen.contains(expected), "{expected} is not in {seen:?}");
    }
    let all = lines.concat();
    assert!(!all.contains("555012") && !all.contains("8675309"), "{all}");
}

#[tokio::test]
#[ignore = "needs redis"]
async fn a_call_that_is_not_answered_says_why_and_one_that_is_not_made_has_no_span() {
    let keys = testkit::redis();
    let (proxy, url) = Proxy::before(keys.url()).expect("a port");
    let redis = Redis::open(&url).expect("a URL").prefix(prefix(&keys));
    let redis = redis.budget(Duration::from_millis(200));
    let users = Cached::builder("users", secretive())
        .redis(redis, Json)
        .build();
    let spans = Spans::default();
    let _default = subscriber::set_default(Registry::default().with(spans.clone()));
    let is_traced = async || {
        let before = spans.lines().len();
        let _ = users
            .get(&Ctx::root(), &u32::try_from(before).expect("few"))
            .await;
        users.close(PATIENCE).await;
        let lines = &spans.lines()[before..];
        lines.iter().any(|it| it.contains("GETRANGE"))
    };
    wait_for(is_traced, PATIENCE).await;
    proxy.set(Link::Blackhole);
    get(&users, 5_550_120).await;
    let lines = spans.lines();
    assert!(
        lines.iter().any(|it| it == "redis: error.type=\"timeout\""),
        "{lines:?}"
    );
    let before = spans.lines().len();
    get(&users, 5_550_121).await;
    let lines = &spans.lines()[before..];
    assert!(!lines.iter().any(|it| it.contains("redis")), "{lines:?}");
}

#[tokio::test]
#[ignore = "needs redis"]
async fn the_book_lists_the_fields_of_these_spans() {
    let keys = testkit::redis();
    let spans = Spans::default();
    let _default = subscriber::set_default(Registry::default().with(spans.clone()));
    let users = Cached::builder("users", secretive())
        .redis(level(&keys), Json)
        .build();
    users.get_many(&Ctx::root(), &[1, 2]).await.expect("loaded");
    users.close(PATIENCE).await;
    let book = include_str!("../../../../docs/src/ctxsvc/operations.md");
    let lines = spans.lines().concat();
    let fields = lines.split(' ').filter_map(|word| word.split_once('='));
    let fields: BTreeSet<_> = fields.map(|(name, _)| name).collect();
    assert!(fields.contains("db.operation.batch.size"), "{fields:?}");
    for field in fields {
        assert!(book.contains(&format!("`{field}`")), "{field}");
    }
}
