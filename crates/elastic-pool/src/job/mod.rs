//! A job from its submission to its end: what becomes of it in its cell, and the handle to it.

mod call;
mod cell;
mod error;
mod handle;
mod log;
mod queued;
mod tally;

pub(crate) use call::Call;
pub(crate) use cell::Runnable;
pub use error::{CancelReason, JobError, Panic};
pub(crate) use handle::Host;
pub use handle::JobHandle;
pub(crate) use log::Log;
pub(crate) use queued::Job;
pub(crate) use tally::{Ended, Tally};

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs foreign code that nobody waits for: a panic in it ends here, and so does a panic of its
/// payload's `drop`.
pub(crate) fn contain(code: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(code)) {
        discard(payload);
    }
}

/// Drops what may panic while it is dropped. The payload of that panic is leaked: it may be the
/// next such value, and so on without end.
pub(crate) fn discard<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        std::mem::forget(payload);
    }
}
