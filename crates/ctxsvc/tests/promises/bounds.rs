//! What a context costs at most.

use std::future::{Ready, pending};
use std::mem::size_of;
use std::time::Duration;

use ctxsvc::{Ctx, Finished, Run, Scoped};

#[tokio::test]
async fn a_chain_of_a_hundred_thousand_is_cancelled_and_dropped_without_recursion() {
    let (root, guard) = Ctx::root().cancellable();
    let (mut ctx, mut guards) = (root.with_value(0_u32), Vec::new());
    for nth in 1..100_000_u32 {
        let (child, guard) = ctx.cancellable();
        guards.push(guard);
        ctx = child.with_value(nth);
    }
    let waiting = ctx.spawn(pending::<()>());
    tokio::task::yield_now().await;
    drop(guard);
    assert!(waiting.await.expect("no panic").is_err());
    guards.into_iter().for_each(drop);
    drop(ctx);
}

#[test]
fn the_futures_are_small() {
    assert!(size_of::<Ctx>() <= 24);
    assert!(size_of::<Finished<'_>>() <= 32);
    assert!(size_of::<Run<&Ctx, Ready<u64>>>() <= 48);
    assert!(size_of::<Scoped<Ready<u64>>>() <= 64);
}

#[tokio::test]
async fn a_timeout_that_is_no_tighter_costs_no_scope() {
    let ctx = Ctx::root().with_timeout(Duration::from_secs(1));
    let same = ctx.with_timeout(Duration::from_secs(2));
    assert_eq!(same.deadline(), ctx.deadline());
}
