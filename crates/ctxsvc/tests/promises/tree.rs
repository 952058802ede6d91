//! Whom a cancel reaches, and whom it does not.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use ctxsvc::Ctx;

use crate::is_over;

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn the_root_is_never_over() {
    let root = Ctx::root();
    assert!(!is_over(&root));
    assert_eq!(root.deadline(), None);
    assert_eq!(root.value::<u8>(), None);
    tokio::time::advance(HOUR).await;
    assert!(!is_over(&root));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_reaches_every_descendant_before_it_returns() {
    let (parent, guard) = Ctx::root().cancellable();
    let (cancellable, _guard) = parent.cancellable();
    let value = cancellable.with_value(1_u8);
    let (deep, _deep_guard) = value.with_timeout(HOUR).cancellable();
    let family = [&parent, &cancellable, &value, &deep];
    for ctx in family {
        assert!(!is_over(ctx));
    }
    let waiting = family.map(|ctx| ctx.spawn(std::future::pending::<()>()));
    tokio::task::yield_now().await;
    guard.cancel();
    for ctx in family {
        assert!(is_over(ctx));
    }
    for waiting in waiting {
        assert!(waiting.await.expect("no panic").is_err());
    }
    for late in [
        parent.cancellable().0,
        parent.with_timeout(HOUR),
        parent.with_value(2_u8),
    ] {
        assert!(is_over(&late), "born over");
    }
}

#[tokio::test(start_paused = true)]
async fn a_child_that_ends_leaves_its_parent_and_its_siblings_alone() {
    let (parent, _guard) = Ctx::root().cancellable();
    let (child, of_child) = parent.cancellable();
    let (sibling, _of_sibling) = parent.cancellable();
    assert!(!is_over(&child) && !is_over(&sibling));
    drop(of_child);
    assert!(is_over(&child));
    assert!(!is_over(&parent) && !is_over(&sibling));
}

#[tokio::test]
async fn a_guard_that_is_disarmed_cancels_nothing() {
    let (parent, of_parent) = Ctx::root().cancellable();
    let (child, of_child) = parent.cancellable();
    of_child.disarm();
    assert!(!is_over(&child));
    drop(of_parent);
    assert!(is_over(&child));
}

#[test]
fn a_hundred_threads_that_cancel_a_tree_in_any_order_end_all_of_it() {
    let (root, root_guard) = Ctx::root().cancellable();
    let mut tree = vec![(root, root_guard)];
    for nth in 1..100 {
        // Each node has two children, so that it is as deep as it is wide.
        let node = tree[(nth - 1) / 2].0.cancellable();
        tree.push(node);
    }
    let all: Vec<_> = tree.iter().map(|(ctx, _)| ctx.clone()).collect();
    let start = Arc::new(Barrier::new(tree.len()));
    let threads: Vec<_> = tree
        .into_iter()
        .map(|(_, guard)| {
            let start = Arc::clone(&start);
            thread::spawn(move || {
                start.wait();
                drop(guard);
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    assert!(all.iter().all(Ctx::is_cancelled));
}

#[tokio::test]
async fn a_child_that_is_cancelled_by_who_was_woken_by_its_parent_locks_nothing() {
    let (parent, guard) = Ctx::root().cancellable();
    let (child, of_child) = parent.cancellable();
    parent.after_done(move |_done| drop(of_child));
    tokio::task::yield_now().await;
    drop(guard);
    assert!(child.done().await.is_cancelled());
}

#[test]
fn a_child_made_while_its_parent_is_cancelled_is_over_with_the_parents_cause() {
    for _ in 0..100 {
        let (parent, guard) = Ctx::root().cancellable();
        let canceller = thread::spawn(move || guard.cancel_because("parent"));
        let children: Vec<_> = (0..10).map(|_| parent.cancellable()).collect();
        canceller.join().expect("no panic");
        for (child, _guard) in &children {
            let done = child.check().expect_err("its parent is over");
            assert_eq!(
                done.cause().map(ToString::to_string).as_deref(),
                Some("parent")
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_detached_context_keeps_its_values_and_outlives_the_rest() {
    let (parent, guard) = Ctx::root()
        .with_timeout(HOUR)
        .with_value(7_u32)
        .cancellable();
    let detached = parent.detach();
    drop(guard);
    tokio::time::advance(2 * HOUR).await;
    assert!(is_over(&parent));
    assert!(!is_over(&detached));
    assert_eq!(detached.value(), Some(&7_u32));
    assert_eq!(detached.deadline(), None);
}
