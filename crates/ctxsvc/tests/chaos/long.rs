//! Rows about values that are long on their way.

use std::convert::Infallible;
use std::time::Duration;

use ctxsvc::{Cached, Ctx, Json, Load, Redis as Level, Source};
use testkit::{Link, Proxy, Redis};

use crate::{BUDGET, PATIENCE, through};

/// On this line what is kept within the budget takes no longer than that, and no budget is enough
/// for ten of them.
const BYTES_PER_SECOND: u32 = 10_000_000;

/// The value of a key has as many bytes as the key says.
struct Texts;

impl Load for Texts {
    type Key = u32;
    type Value = String;
    type Error = Infallible;

    async fn load(&self, _ctx: &Ctx, bytes: &u32) -> Result<Option<String>, Infallible> {
        Ok(Some("x".repeat(*bytes as usize)))
    }
}

fn texts(url: &str, budget: Duration) -> Cached<Texts> {
    let level = Level::open(url).expect("a URL").budget(budget);
    // What is remembered in memory is not asked of Redis.
    let builder = Cached::builder("texts", Texts).capacity(0);
    builder.redis(level, Json).build()
}

async fn source(texts: &Cached<Texts>, bytes: u32) -> Source {
    let found = texts.get(&Ctx::root(), &bytes).await.expect("loaded");
    found.expect("it exists").source()
}

/// As `source`, and waits until Redis was told.
async fn told(texts: &Cached<Texts>, bytes: u32) -> Source {
    let source = source(texts, bytes).await;
    assert_eq!(texts.close(PATIENCE).await.left, 0);
    source
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn what_would_take_longer_than_the_budget_on_its_way_is_not_asked_for() {
    const LONG: u32 = 3 << 20;
    let server = Redis::start(&[]).expect("a server");
    let proxy = Proxy::to(server.addr()).expect("a port");
    let (generous, strict) = (
        texts(&server.url(), PATIENCE),
        texts(&through(&proxy), BUDGET),
    );
    assert_eq!(told(&generous, LONG).await, Source::Origin);
    assert_eq!(told(&generous, LONG).await, Source::Redis);
    assert_eq!(told(&strict, 1).await, Source::Origin);
    proxy.set(Link::Throttle(BYTES_PER_SECOND));
    for _ in 0..3 {
        assert_eq!(told(&strict, LONG).await, Source::Origin);
        assert_eq!(told(&generous, LONG).await, Source::Redis, "it is left");
        assert_eq!(told(&strict, 1).await, Source::Redis, "{strict:?}");
    }
    let shown = format!("{strict:?}");
    assert!(shown.contains("unwritable: 3, unanswered: 0"), "{shown}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn several_values_that_take_longer_than_the_budget_cost_those_who_wait_for_one_nothing() {
    const LONG: u32 = 1 << 20;
    let server = Redis::start(&[]).expect("a server");
    let proxy = Proxy::to(server.addr()).expect("a port");
    let (filled, process) = (
        texts(&server.url(), PATIENCE),
        texts(&through(&proxy), BUDGET),
    );
    let (long, ctx): (Vec<_>, _) = ((LONG..LONG + 10).collect(), Ctx::root());
    filled.get_many(&ctx, &long).await.expect("loaded");
    filled.close(PATIENCE).await;
    for key in 1..=20 {
        told(&filled, key).await;
    }
    assert_eq!(source(&process, 1).await, Source::Redis);
    proxy.set(Link::Throttle(BYTES_PER_SECOND));
    let asking = tokio::spawn({
        let (process, long) = (process.clone(), long.clone());
        async move {
            process
                .get_many(&Ctx::root(), &long)
                .await
                .map(|it| it.len())
        }
    });
    for key in 1..=20 {
        assert_eq!(source(&process, key).await, Source::Redis, "{process:?}");
    }
    assert_eq!(asking.await.expect("no panic").expect("loaded"), long.len());
    for key in 1..=20 {
        assert_eq!(source(&process, key).await, Source::Redis, "{process:?}");
    }
    let shown = format!("{process:?}");
    assert!(shown.contains("unanswered: 1 }"), "{shown}");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn the_only_one_of_several_that_is_missing_costs_those_who_wait_for_one_nothing() {
    const LONG: u32 = 4 << 20;
    let server = Redis::start(&[]).expect("a server");
    let proxy = Proxy::to(server.addr()).expect("a port");
    let (generous, strict) = (
        texts(&server.url(), PATIENCE),
        texts(&through(&proxy), BUDGET),
    );
    told(&generous, LONG).await;
    assert_eq!(told(&strict, 1).await, Source::Origin);
    proxy.set(Link::Throttle(BYTES_PER_SECOND));
    let found = strict
        .get_many(&Ctx::root(), &[LONG])
        .await
        .expect("loaded");
    assert_eq!(found[&LONG].source(), Source::Origin);
    for _ in 0..20 {
        assert_eq!(source(&strict, 1).await, Source::Redis, "{strict:?}");
    }
}
