//! Between the answer of the repository and the moment in which Redis was told of it.

use tokio::time::{Instant, sleep};

use super::{Network, Node, Rows, Server, ms, node, node_with};
use crate::Ctx;

/// A process that is loading, and can't tell Redis.
async fn unanswered(node: &Node) {
    sleep(ms(5)).await;
    node.process.set(Network::LosesRequests);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_load_that_fails_is_told_before_redis_is() {
    let (rows, ctx) = (Rows::default(), Ctx::root());
    rows.take(ms(10));
    *rows.is_down.lock().expect("no panic") = true;
    for is_many in [false, true] {
        let node = node(&Server::new(), &rows);
        let started = Instant::now();
        let asked = async {
            if is_many {
                node.cached.get_many(&ctx, &[1, 2]).await.map(drop)
            } else {
                node.cached.get(&ctx, &1).await.map(drop)
            }
        };
        let (found, ()) = tokio::join!(asked, unanswered(&node));
        assert!(found.is_err());
        let waited = started.elapsed();
        assert!(waited < ms(30), "{waited:?}, {is_many}");
        node.settled().await;
        assert!(started.elapsed() > ms(50), "it was still to be told");
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_before_redis_was_told_is_given_nothing_that_has_expired() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    rows.take(ms(10));
    let node = node_with(&server, &rows, 3, |builder| builder.ttl(ms(20)));
    let (first, ()) = tokio::join!(node.get(1), unanswered(&node));
    sleep(ms(5)).await;
    assert_eq!((*first, *node.get(1).await), (1, 1));
    assert_eq!(rows.loads(), 1, "it is fresh");
    sleep(ms(20)).await;
    rows.write(1);
    assert_eq!((*node.get(1).await, rows.loads()), (2, 2));
}
