//! Values that Redis can't keep.

use std::convert::Infallible;

use tokio::task::yield_now;
use tokio::time::sleep;

use super::{Node, Rows, Server, UNHEARD_FOR, UNWRITABLE, node};
use crate::{Ctx, Source};

fn unwritable(keys: &[u32]) -> Rows {
    let rows = Rows::default();
    for key in keys {
        rows.set(*key, UNWRITABLE);
    }
    rows
}

async fn write(by: &Node, rows: &Rows, row: u64) {
    let write = async {
        rows.set(1, row);
        Ok::<_, Infallible>(())
    };
    let committed = by.cached.update(&Ctx::root(), &1, write).await;
    assert!(committed.expect("a write never fails").invalidated);
}

#[tokio::test(start_paused = true)]
async fn what_redis_cant_keep_is_remembered_for_as_long_as_without_a_link() {
    let rows = unwritable(&[1, 2, 3]);
    let node = node(&Server::new(), &rows);
    assert_eq!(node.get(1).await.source(), Source::Origin);
    node.settled().await;
    assert_eq!(node.get(1).await.source(), Source::Memory);
    let found = node.cached.get_many(&Ctx::root(), &[2, 3]).await;
    assert_eq!(found.expect("loaded").len(), 2);
    node.settled().await;
    for key in [2, 3] {
        assert_eq!(node.get(key).await.source(), Source::Memory, "{key}");
    }
    assert_eq!(rows.loads(), 3);
    sleep(UNHEARD_FOR).await;
    assert_eq!(node.get(1).await.source(), Source::Origin);
    node.settled().await;
    assert_eq!(node.count("unwritable"), 4);
}

#[tokio::test(start_paused = true)]
async fn what_redis_cant_keep_is_read_anew_once_something_was_heard_of_it() {
    let (server, rows) = (Server::new(), unwritable(&[1]));
    let (one, two) = (node(&server, &rows), node(&server, &rows));
    one.get(1).await;
    one.settled().await;
    write(&two, &rows, 7).await;
    assert_eq!(*one.get(1).await, 7);
}

/// Another process writes at each step of the load and of what is told after it.
#[tokio::test(start_paused = true)]
async fn a_write_at_any_step_of_what_redis_cant_keep_is_seen_by_who_asks_after_it() {
    for steps in 0..30 {
        let (server, rows) = (Server::new(), unwritable(&[1]));
        let (one, two) = (node(&server, &rows), node(&server, &rows));
        let cached = one.cached.clone();
        let loading = tokio::spawn(async move { cached.get(&Ctx::root(), &1).await.map(drop) });
        for _ in 0..steps {
            yield_now().await;
        }
        write(&two, &rows, 7).await;
        loading.await.expect("no panic").expect("it is loaded");
        one.settled().await;
        assert_eq!(*one.get(1).await, 7, "{steps} steps");
    }
}
