//! Tokens of tokio-util as parents and as children.

use std::time::Duration;

use ctxsvc::Ctx;
use tokio_util::sync::CancellationToken;

use crate::is_over;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_foreign_token_ends_the_contexts_below_it_before_its_cancel_returns() {
    let token = CancellationToken::new();
    let (parent, _guard) = Ctx::root().cancellable();
    let ctx = parent.with_token(&token);
    let (child, _of_child) = ctx.cancellable();
    assert!(!is_over(&child));
    token.cancel();
    assert!(is_over(&child) && is_over(&ctx));
    assert!(!is_over(&parent));
    assert!(is_over(&Ctx::from(token)), "it was cancelled before");
}

#[tokio::test]
async fn a_context_with_a_token_still_ends_with_its_parent() {
    let token = CancellationToken::new();
    let (parent, guard) = Ctx::root().cancellable();
    let ctx = parent.with_token(&token);
    guard.cancel_because("parent");
    let done = ctx.check().expect_err("its parent is over");
    assert!(done.cause().is_some());
    assert!(!token.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_context_is_cancelled_when_the_context_ends() {
    let (parent, guard) = Ctx::root().cancellable();
    let (child, _of_child) = parent.cancellable();
    let [first, second] = [child.token(), child.token()];
    first.cancel();
    assert!(
        !is_over(&child) && !second.is_cancelled(),
        "a token cancels no context"
    );
    guard.cancel();
    assert!(second.is_cancelled());
    assert!(child.token().is_cancelled());

    let timed = Ctx::root().with_timeout(MINUTE);
    let token = timed.token();
    let started = tokio::time::Instant::now();
    token.cancelled().await;
    assert_eq!(started.elapsed(), MINUTE);
    assert!(!Ctx::root().token().is_cancelled());
}
