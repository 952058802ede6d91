//! Catching panics.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the closure returns, unless it panics: what it has used then must not be looked at again.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    let payload = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => return Some(value),
        Err(payload) => payload,
    };
    // Anything can be thrown, also what panics when it is dropped. What that throws is leaked.
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(another);
    }
    None
}
