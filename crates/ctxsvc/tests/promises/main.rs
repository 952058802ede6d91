//! Each test is named after a promise of the README or of an item's documentation.

mod batch;
mod bounds;
mod causes;
mod deadlines;
mod flights;
mod interop;
mod lifetimes;
mod peers;
mod repository;
#[cfg(all(unix, feature = "sqlite"))]
mod sqlite;
#[cfg(feature = "tower")]
mod tower;
mod tree;
mod values;
mod versions;
#[cfg(unix)]
mod waiting;
mod weights;

use ctxsvc::Ctx;
use tokio_test::{assert_pending, task};

/// Whether the context is over, as all ways to ask see it.
#[track_caller]
fn is_over(ctx: &Ctx) -> bool {
    let over = ctx.check().is_err();
    assert_eq!(ctx.is_cancelled(), over, "check has told the flag");
    let mut waiting = task::spawn(ctx.done());
    if over {
        assert!(waiting.poll().is_ready());
    } else {
        assert_pending!(waiting.poll());
    }
    over
}
