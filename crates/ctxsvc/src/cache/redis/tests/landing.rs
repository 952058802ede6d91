//! Between the answer of the repository and the moment in which Redis was told of it.

use tokio::time::{Instant, sleep};

use super::{Network, Node, Rows, Server, VERSIONED, ms, node, node_with};
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

/// Who has taken the right will hear of that, and who has not hears of others only.
/// In a process that still has the version from before.
#[tokio::test(start_paused = true)]
async fn who_asks_before_redis_was_told_is_given_no_failure_whose_pause_is_over() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.set(1, VERSIONED + 1);
    let node = node(&server, &rows);
    node.get(1).await;
    node.settled().await;
    server.remove(b"test:rows:v3:1");
    rows.take(ms(10));
    *rows.is_down.lock().expect("no panic") = true;
    node.process.set_budget(ms(500));
    let ctx = Ctx::root();
    let (found, ()) = tokio::join!(node.cached.get(&ctx, &1), unanswered(&node));
    assert!(found.is_err());
    *rows.is_down.lock().expect("no panic") = false;
    let found = node.cached.get(&ctx, &1).await;
    assert!(found.is_err(), "it is not repeated at once");
    sleep(ms(100)).await;
    assert_eq!(*node.get(1).await, VERSIONED + 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_is_joined_until_something_is_heard_that_its_process_has_not_done_itself() {
    for has_the_right in [true, false] {
        let (server, rows) = (Server::new(), Rows::default());
        rows.write(1);
        rows.take(ms(20));
        let (other, process) = (node(&server, &rows), node(&server, &rows));
        let ctx = Ctx::root();
        let holder = if has_the_right { &process } else { &other };
        let begins = holder.cached.get(&ctx, &1);
        let loads = async {
            sleep(ms(2)).await;
            process.cached.get_many(&ctx, &[1]).await.expect("loaded")
        };
        let joins = async {
            sleep(ms(4)).await;
            assert_eq!(*process.get(1).await, 1, "nothing was heard");
        };
        let asks_later = async {
            sleep(ms(6)).await;
            rows.write(1);
            server.remove(b"test:rows:v3:1");
            assert_eq!(*process.get(1).await, 2, "{has_the_right}");
        };
        let (_, found, (), ()) = tokio::join!(begins, loads, joins, asks_later);
        assert_eq!(*found[&1], 1);
        let by_both = usize::from(!has_the_right);
        assert_eq!(rows.loads(), 2 + by_both, "{has_the_right}");
    }
}
