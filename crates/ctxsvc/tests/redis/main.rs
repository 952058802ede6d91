//! What needs a Redis: `cargo xtask test -p ctxsvc redis`.

#[path = "../promises/repository.rs"]
mod repository;

mod level;

use std::time::Duration;

use ctxsvc::{Cached, CachedBuilder, Ctx, Hit, Json, Redis};
use repository::{Broken, Repository};
use testkit::Keys;

/// For what is bound to happen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A level with keys of a test's own. These tests are not about time, and the machine may be busy.
fn level(keys: &Keys) -> Redis {
    let redis = Redis::open(keys.url()).expect("a URL");
    // A colon at its end would be escaped.
    redis
        .prefix(keys.prefix().trim_end_matches(':'))
        .budget(PATIENCE)
}

fn builder(keys: &Keys, repository: &Repository) -> CachedBuilder<Repository> {
    Cached::builder("users", repository.clone()).redis(level(keys), Json)
}

fn cached(keys: &Keys, repository: &Repository) -> Cached<Repository> {
    builder(keys, repository).build()
}

async fn get(users: &Cached<Repository>, key: u32) -> Result<Option<Hit<u64>>, Broken> {
    let found = users.get(&Ctx::root(), &key).await;
    found.map_err(|error| panic!("{error}"))
}
