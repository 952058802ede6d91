//! What needs a Redis: `cargo xtask test -p ctxsvc redis`.

#![cfg(unix)]

#[path = "../promises/repository.rs"]
mod repository;
// The scripts, as the crate has them.
#[path = "../../src/cache/redis/script.rs"]
mod script;

#[path = "../promises/spans.rs"]
mod spans;

mod calls;
mod changes;
mod level;
mod lua;

use std::time::Duration;

use ctxsvc::{Cached, CachedBuilder, Ctx, Hit, Json, Redis};
use redis::{Client, Connection};
use repository::Repository;
use testkit::Keys;

/// For what is bound to happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A level with keys of a test's own. These tests are not about time, and the machine may be busy.
fn level(keys: &Keys) -> Redis {
    let redis = Redis::open(keys.url()).expect("a URL");
    redis.prefix(prefix(keys)).budget(PATIENCE)
}

/// A colon at its end would be escaped.
fn prefix(keys: &Keys) -> &str {
    keys.prefix().trim_end_matches(':')
}

fn builder(keys: &Keys, repository: &Repository) -> CachedBuilder<Repository> {
    Cached::builder("users", repository.clone()).redis(level(keys), Json)
}

fn cached(keys: &Keys, repository: &Repository) -> Cached<Repository> {
    builder(keys, repository).build()
}

/// Asks, and waits until Redis was told what was loaded.
async fn get(users: &Cached<Repository>, key: u32) -> Hit<u64> {
    let found = users.get(&Ctx::root(), &key).await;
    assert_eq!(users.close(PATIENCE).await.left, 0);
    found.expect("it is loaded").expect("it exists")
}

fn connection(keys: &Keys) -> Connection {
    let client = Client::open(keys.url()).expect("a URL");
    client.get_connection().expect("the server answers")
}
