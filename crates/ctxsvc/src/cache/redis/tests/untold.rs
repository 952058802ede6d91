//! Writes that Redis could not be told of.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::time::sleep;

use super::{Network, Node, Rows, Server, TTL, ms, node, node_with};
use crate::{Ctx, Source};

/// Two processes that remember a row.
async fn two_on_a_row(server: &Arc<Server>, rows: &Rows) -> [Node; 2] {
    rows.write(1);
    let nodes = [node(server, rows), node(server, rows)];
    for node in &nodes {
        node.get(1).await;
        node.settled().await;
    }
    nodes
}

#[tokio::test(start_paused = true)]
async fn closing_waits_until_redis_was_told_of_each_write_and_reports_what_it_was_not() {
    let (server, rows) = (Server::new(), Rows::default());
    let [one, two] = two_on_a_row(&server, &rows).await;
    one.process.set(Network::Closed);
    assert!(!one.update(&rows, 1).await);
    assert_eq!(one.cached.close(ms(1_000)).await.untold, 1);
    assert_eq!(*two.get(1).await, 1, "it could not be told");

    one.process.set(Network::Good);
    assert_eq!(one.cached.close(ms(1_000)).await.untold, 0);
    assert_eq!(
        *two.get(1).await,
        2,
        "it was told before the close has ended"
    );
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_what_a_caller_who_has_gone_has_left_to_the_background() {
    let (server, rows) = (Server::new(), Rows::default());
    let [one, two] = two_on_a_row(&server, &rows).await;
    {
        let ctx = Ctx::root();
        let write = async {
            rows.write(1);
            std::future::pending::<Result<(), Infallible>>().await
        };
        let mut writing = tokio_test::task::spawn(one.cached.update(&ctx, &1, write));
        assert!(writing.poll().is_pending());
    }
    assert_eq!(one.cached.close(ms(1_000)).await.untold, 0);
    assert_eq!(*two.get(1).await, 2);
}

#[tokio::test(start_paused = true)]
async fn redis_is_not_asked_for_several_keys_that_it_could_all_not_be_told_of() {
    let (server, rows) = (Server::new(), Rows::default());
    let one = node(&server, &rows);
    one.process.set(Network::Closed);
    assert!(!one.update(&rows, 1).await && !one.update(&rows, 2).await);
    one.process.set(Network::Good);
    let found = one.cached.get_many(&Ctx::root(), &[1, 2]).await;
    assert_eq!(found.expect("loaded").len(), 2);
    assert!(!server.was_read());
}

#[tokio::test(start_paused = true)]
async fn more_keys_than_are_remembered_are_all_told_when_redis_answers() {
    let (server, rows) = (Server::new(), Rows::default());
    let [one, two] = two_on_a_row(&server, &rows).await;
    one.process.set(Network::Closed);
    for key in 2..1_200 {
        assert!(!one.update(&rows, key).await);
    }
    assert!(!one.update(&rows, 1).await);
    assert_eq!(one.cached.close(ms(0)).await.untold, 1_199);
    one.process.set(Network::Good);
    assert_eq!(*one.get(1).await, 2, "not what Redis has");
    assert_eq!(one.cached.close(ms(500)).await.untold, 0);
    assert_eq!(*two.get(1).await, 2, "it was told");
    two.settled().await;
    let hit = node(&server, &rows).get(1).await;
    assert_eq!((*hit, hit.source()), (2, Source::Redis));
    rows.write(7_777);
    one.get(7_777).await;
    one.settled().await;
    let hit = two.get(7_777).await;
    assert_eq!(hit.source(), Source::Redis, "it is used again by all");
}

/// The settings of a deployment that takes the place of this one, say.
#[tokio::test(start_paused = true)]
async fn what_a_process_with_a_longer_time_to_live_has_filled_is_not_read_by_one_that_could_not_tell()
 {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    let long = node_with(&server, &rows, 3, |builder| builder.ttl(TTL * 100));
    long.get(1).await;
    long.settled().await;
    let short = node(&server, &rows);
    short.process.set(Network::Closed);
    assert!(!short.update(&rows, 1).await);
    sleep(TTL * 10).await;
    short.process.set(Network::Good);
    assert_eq!(*short.get(1).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_value_is_fresh_for_no_longer_than_who_is_asked_allows() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    let long = node_with(&server, &rows, 3, |builder| {
        builder.ttl(TTL * 100).stale_for(TTL * 100)
    });
    long.get(1).await;
    long.settled().await;
    // Behind the cache's back.
    rows.write(1);
    sleep(TTL * 2).await;
    let short = node(&server, &rows);
    assert_eq!(*short.get(1).await, 2);
    let many = node(&server, &rows);
    sleep(TTL * 2).await;
    rows.write(1);
    let found = many.cached.get_many(&Ctx::root(), &[1]).await;
    assert_eq!(*found.expect("loaded")[&1], 3);
}

/// As after a failover to a server with another clock.
#[tokio::test(start_paused = true)]
async fn a_value_from_the_future_is_not_believed() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    let first = node(&server, &rows);
    first.get(1).await;
    first.settled().await;
    let name = server.names().pop().expect("one is there");
    let later = u64::MAX / 4;
    server.change(&name, |bytes| {
        for field in [7..15, 15..23, 23..31] {
            bytes[field].copy_from_slice(&later.to_be_bytes());
        }
    });
    rows.write(1);
    assert_eq!(*node(&server, &rows).get(1).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_tells_ends_some_time_after_nobody_is_left_who_would_ask() {
    let (server, rows) = (Server::new(), Rows::default());
    let one = node(&server, &rows);
    one.process.set(Network::Closed);
    assert!(!one.update(&rows, 1).await);
    let process = Arc::downgrade(&one.process);
    drop(one);
    sleep(TTL).await;
    assert!(process.upgrade().is_some(), "it would still be told");
    sleep(TTL).await;
    assert!(process.upgrade().is_none(), "it would be over by now");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_that_is_cut_off_goes_on_where_it_was_unless_the_server_has_started_anew() {
    for starts_anew in [false, true] {
        let (server, rows) = (Server::new(), Rows::default());
        // Before and behind those of the cache.
        for nth in 0..20 {
            server.put(format!("a:{nth}").as_bytes());
            server.put(format!("z:{nth}").as_bytes());
        }
        let one = node(&server, &rows);
        one.process.set(Network::Closed);
        for key in 1..1_200 {
            assert!(!one.update(&rows, key).await);
        }
        one.process.set(Network::LosesNextPages);
        // One page each in a tenth or a seventh of a second.
        assert!(one.cached.close(ms(1_000)).await.untold > 0);
        let late = b"test:rows:v3:1";
        server.put(late);
        if starts_anew {
            server.restart();
        }
        assert_eq!(one.cached.close(ms(2_000)).await.untold, 0, "{starts_anew}");
        let is_left = server.names().iter().any(|name| name == late);
        assert_eq!(
            is_left, !starts_anew,
            "what is behind the sweep is not swept again"
        );
    }
}

/// As dotnet/extensions#7771 did.
#[tokio::test(start_paused = true)]
async fn what_was_forgotten_is_not_found_by_a_process_that_starts_later() {
    let (server, rows) = (Server::new(), Rows::default());
    let [one, two] = two_on_a_row(&server, &rows).await;
    for value in 2..10 {
        assert!(one.update(&rows, 1).await);
        let late = node(&server, &rows);
        let hit = late.get(1).await;
        assert_eq!((*hit, hit.source()), (value, Source::Origin));
        late.settled().await;
        assert_eq!(*two.get(1).await, value);
    }
}
