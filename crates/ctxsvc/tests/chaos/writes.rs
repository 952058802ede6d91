//! Rows about writes that Redis is not told of.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use ctxsvc::{Cached, Source};
use testkit::{Link, Proxy, Redis, every_await, wait_for};

use crate::{BUDGET, PATIENCE, Rows, SLACK, get, settled, through, timed};

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_write_that_redis_could_not_be_told_of_is_no_failed_write_and_is_told_later() {
    let server = Redis::start(&[]).expect("a server");
    for link in [Link::Blackhole, Link::LoseReplies, Link::Reset] {
        let (rows, proxy) = (Rows::new(), Proxy::to(server.addr()).expect("a port"));
        let (writer, reader) = (
            settled(&rows, &through(&proxy)).await,
            settled(&rows, &server.url()).await,
        );
        proxy.set(link);
        let (invalidated, took) = timed(rows.update(&writer, 1)).await;
        assert!(!invalidated, "{link:?}");
        assert!(took < BUDGET + SLACK, "{link:?}: {took:?}");
        let value = *get(&writer, 1).await;
        assert_eq!(value, *get(&writer, 1).await);
        proxy.set(Link::Pass);
        // From the first moment on, what Redis still has is not for the process that wrote.
        assert_eq!(*get(&writer, 1).await, value, "{link:?}");
        wait_for(async || *get(&reader, 1).await == value, PATIENCE).await;
        assert_eq!(*get(&writer, 1).await, value, "{link:?}");
    }
}

/// More than are remembered one by one, under a name in which each character means something to a
/// search.
#[tokio::test]
#[ignore = "needs redis-server"]
async fn more_writes_than_are_remembered_are_all_told_and_nothing_else_is_forgotten() {
    let server = Redis::start(&[]).expect("a server");
    let (rows, proxy) = (Rows::new(), Proxy::to(server.addr()).expect("a port"));
    let process = |url: &str| {
        let level = ctxsvc::Redis::open(url).expect("a URL");
        let level = level.prefix("a[b]*?\\").budget(BUDGET);
        let builder = Cached::builder("rows", rows.repository.clone());
        let builder = builder.ttl(Duration::from_secs(600));
        builder.redis(level, ctxsvc::Json).build()
    };
    let (writer, reader) = (process(&through(&proxy)), process(&server.url()));
    let neighbour = settled(&rows, &server.url()).await;
    for key in 0..3_000 {
        get(&reader, key).await;
    }
    let is_remembered = async || get(&reader, 7).await.source() == Source::Memory;
    wait_for(is_remembered, PATIENCE).await;
    get(&writer, 1).await;
    proxy.set(Link::Reset);
    for key in 0..1_100 {
        assert!(!rows.update(&writer, key).await);
    }
    let report = writer.close(Duration::ZERO).await;
    assert_eq!(report.untold, 1_100);
    proxy.set(Link::Pass);
    assert_eq!(writer.close(PATIENCE).await.untold, 0);
    let row = rows.row.load(SeqCst);
    for key in [0, 7, 1_099] {
        assert_eq!(*get(&writer, key).await, row);
        wait_for(async || *get(&reader, key).await == row, PATIENCE).await;
    }
    let source = get(&neighbour, 1).await.source();
    assert_eq!(source, Source::Memory, "it has another name");
}

#[tokio::test]
#[ignore = "needs redis-server"]
async fn a_caller_who_goes_away_at_any_await_leaves_no_old_value_behind() {
    let server = Redis::start(&[]).expect("a server");
    let rows = Rows::new();
    let (writer, reader) = (
        settled(&rows, &server.url()).await,
        settled(&rows, &server.url()).await,
    );
    let awaits = every_await(
        async || {
            tokio::task::yield_now().await;
            rows.update(&writer, 1).await;
            writer.invalidate(&1).await;
            get(&writer, 1).await;
            let found = writer.get_many(&ctxsvc::Ctx::root(), &[1, 2]).await;
            found.expect("Redis is nobody's error");
        },
        async |at| {
            let row = rows.row.load(SeqCst);
            assert_eq!(*get(&writer, 1).await, row, "dropped at await {at}");
            wait_for(async || *get(&reader, 1).await == row, PATIENCE).await;
        },
    )
    .await;
    assert!(awaits >= 4, "{awaits}");
}
