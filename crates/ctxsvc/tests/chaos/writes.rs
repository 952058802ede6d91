//! Rows about writes that Redis is not told of.

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
            let row = rows.row.load(std::sync::atomic::Ordering::SeqCst);
            assert_eq!(*get(&writer, 1).await, row, "dropped at await {at}");
            wait_for(async || *get(&reader, 1).await == row, PATIENCE).await;
        },
    )
    .await;
    assert!(awaits >= 4, "{awaits}");
}
