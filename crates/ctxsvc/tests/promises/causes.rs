//! Which cause a context tells. The rows are those of Go's `TestCause`.

use std::time::Duration;

use ctxsvc::{CancelGuard, Ctx};

type Watch<'a> = &'a dyn Fn(&Ctx);
type Row = (&'static str, fn(Watch<'_>) -> (Ctx, Keep), Option<Told>);

/// Guards that must not be dropped before the context was asked.
type Keep = Vec<CancelGuard>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Cancelled(&'static str),
    Timeout(&'static str),
}
use Told::{Cancelled, Timeout};

const NO_CAUSE: &str = "";
const MINUTE: Duration = Duration::from_secs(60);

const ROWS: [Row; 20] = [
    ("Background", |_| (Ctx::root(), vec![]), None),
    ("TODO", |_| (Ctx::default(), vec![]), None),
    (
        "WithCancel",
        |watch| one(watch, CancelGuard::cancel),
        Some(Cancelled(NO_CAUSE)),
    ),
    (
        "WithCancelCause",
        |watch| one(watch, |guard| guard.cancel_because("parent")),
        Some(Cancelled("parent")),
    ),
    (
        "WithCancelCause nil",
        |watch| one(watch, CancelGuard::cancel),
        Some(Cancelled(NO_CAUSE)),
    ),
    (
        "parent cause before child",
        |watch| {
            two(watch, |parent, child| {
                parent.cancel_because("parent");
                child.cancel_because("child");
            })
        },
        Some(Cancelled("parent")),
    ),
    (
        "parent cause after child",
        |watch| {
            two(watch, |parent, child| {
                child.cancel_because("child");
                parent.cancel_because("parent");
            })
        },
        Some(Cancelled("child")),
    ),
    (
        "parent cause before nil",
        |watch| {
            two(watch, |parent, child| {
                parent.cancel_because("parent");
                child.cancel();
            })
        },
        Some(Cancelled("parent")),
    ),
    (
        "parent cause after nil",
        |watch| {
            two(watch, |parent, child| {
                child.cancel();
                parent.cancel_because("parent");
            })
        },
        Some(Cancelled(NO_CAUSE)),
    ),
    (
        "child cause after nil",
        |watch| {
            two(watch, |parent, child| {
                parent.cancel();
                child.cancel_because("child");
            })
        },
        Some(Cancelled(NO_CAUSE)),
    ),
    (
        "child cause before nil",
        |watch| {
            two(watch, |parent, child| {
                child.cancel_because("child");
                parent.cancel();
            })
        },
        Some(Cancelled("child")),
    ),
    (
        "WithTimeout",
        |_| (Ctx::root().with_timeout(Duration::ZERO), vec![]),
        Some(Timeout(NO_CAUSE)),
    ),
    (
        "WithTimeout canceled",
        |watch| timed(watch, |guard| guard.cancel_because("too late")),
        Some(Cancelled("too late")),
    ),
    (
        "WithTimeoutCause",
        |_| {
            (
                Ctx::root().with_timeout_because(Duration::ZERO, "too slow"),
                vec![],
            )
        },
        Some(Timeout("too slow")),
    ),
    (
        "WithTimeoutCause canceled",
        |watch| timed(watch, CancelGuard::cancel),
        Some(Cancelled(NO_CAUSE)),
    ),
    (
        "WithTimeoutCause stacked",
        |watch| {
            let (parent, guard) = Ctx::root().cancellable();
            watch(&parent);
            let ctx = parent.with_timeout_because(Duration::ZERO, "too slow");
            guard.cancel_because("other");
            (ctx, vec![guard])
        },
        Some(Timeout("too slow")),
    ),
    (
        "WithTimeoutCause stacked canceled",
        |watch| {
            let (parent, guard) = Ctx::root().cancellable();
            let ctx = parent.with_timeout_because(MINUTE, "too slow");
            watch(&ctx);
            guard.cancel_because("other");
            (ctx, vec![guard])
        },
        Some(Cancelled("other")),
    ),
    ("WithoutCancel", |_| (Ctx::root().detach(), vec![]), None),
    (
        "WithoutCancel canceled",
        |watch| {
            let (ctx, keep) = one(watch, CancelGuard::cancel);
            (ctx.detach(), keep)
        },
        None,
    ),
    (
        "WithoutCancel timeout",
        |watch| {
            let (ctx, keep) = one(watch, CancelGuard::cancel);
            let ctx = ctx
                .detach()
                .with_timeout_because(Duration::ZERO, "too slow");
            (ctx, keep)
        },
        Some(Timeout("too slow")),
    ),
];

fn one(watch: Watch<'_>, then: fn(&CancelGuard)) -> (Ctx, Keep) {
    let (ctx, guard) = Ctx::root().cancellable();
    watch(&ctx);
    then(&guard);
    (ctx, vec![guard])
}

fn two(watch: Watch<'_>, then: fn(&CancelGuard, &CancelGuard)) -> (Ctx, Keep) {
    let (parent, of_parent) = Ctx::root().cancellable();
    let (ctx, of_child) = parent.cancellable();
    watch(&ctx);
    then(&of_parent, &of_child);
    (ctx, vec![of_parent, of_child])
}

fn timed(watch: Watch<'_>, then: fn(&CancelGuard)) -> (Ctx, Keep) {
    let (ctx, guard) = Ctx::root()
        .with_timeout_because(MINUTE, "too slow")
        .cancellable();
    watch(&ctx);
    then(&guard);
    (ctx, vec![guard])
}

#[tokio::test(start_paused = true)]
async fn each_row_of_gos_test_of_causes_tells_the_same_here_watched_or_not() {
    for watched in [false, true] {
        for (name, make, expected) in ROWS {
            let watch = |ctx: &Ctx| {
                if watched {
                    // Polled once, so that all scopes up to the root know each other.
                    let mut waiting = tokio_test::task::spawn(ctx.done());
                    tokio_test::assert_pending!(waiting.poll());
                }
            };
            let (ctx, keep) = make(&watch);
            assert_eq!(told(&ctx), expected, "{name}, watched: {watched}");
            drop(keep);
            assert_eq!(told(&ctx), expected, "{name}, later, watched: {watched}");
        }
    }
}

fn told(ctx: &Ctx) -> Option<Told> {
    let done = ctx.check().err()?;
    let cause = match done.cause().map(ToString::to_string).as_deref() {
        None => NO_CAUSE,
        Some("parent") => "parent",
        Some("child") => "child",
        Some("too slow") => "too slow",
        Some("too late") => "too late",
        Some("other") => "other",
        Some(cause) => panic!("nobody has given {cause}"),
    };
    Some(if done.is_timeout() {
        Timeout(cause)
    } else {
        Cancelled(cause)
    })
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_nobody_has_noticed_comes_before_a_later_cancel() {
    let (parent, guard) = Ctx::root().cancellable();
    let ctx = parent.with_timeout_because(Duration::from_millis(5), "too slow");
    let (grandchild, of_grandchild) = ctx.cancellable();
    tokio::time::advance(Duration::from_millis(10)).await;
    guard.cancel_because("parent");
    of_grandchild.cancel_because("child");
    assert_eq!(told(&grandchild), Some(Timeout("too slow")));
    assert_eq!(told(&ctx), Some(Timeout("too slow")));
    assert_eq!(told(&parent), Some(Cancelled("parent")));
}

#[test]
fn the_cause_is_the_source_and_the_error_says_its_own_part_only() {
    let (ctx, guard) = Ctx::root().cancellable();
    guard.cancel_because(std::io::Error::other("the client has gone"));
    let done = ctx.check().expect_err("it was cancelled");
    assert_eq!(done.to_string(), "the context was cancelled");
    let source = std::error::Error::source(&done).expect("it was given");
    assert!(source.downcast_ref::<std::io::Error>().is_some());

    let done = Ctx::root()
        .with_timeout(Duration::ZERO)
        .check()
        .expect_err("no time at all");
    assert_eq!(done.to_string(), "the deadline of the context has passed");
    assert!(done.is_timeout() && !done.is_cancelled() && done.cause().is_none());
}
