//! Code of other crates that an error has to call, and that may panic.

#[cfg(feature = "std")]
use alloc::boxed::Box;
#[cfg(feature = "std")]
use alloc::string::String;
use core::error;

/// The cause of an error, or none if it panics when it is asked for it.
pub(crate) fn source<'a>(
    error: &'a (dyn error::Error + 'static),
) -> Option<&'a (dyn error::Error + 'static)> {
    guarded(|| error.source()).flatten()
}

/// Runs foreign code. `None` says that it panicked, which is noticed with the feature `std` only.
#[cfg(feature = "std")]
pub(crate) fn guarded<R>(run: impl FnOnce() -> R) -> Option<R> {
    // What may be left half done is what it writes, and whoever calls it goes on after that.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
        .map_err(discard)
        .ok()
}

/// Drops what `panic!` makes. The drop of anything else is foreign code, which may panic again.
#[cfg(feature = "std")]
fn discard(payload: Box<dyn core::any::Any + Send>) {
    if !payload.is::<&'static str>() && !payload.is::<String>() {
        core::mem::forget(payload);
    }
}

#[cfg(not(feature = "std"))]
#[expect(clippy::unnecessary_wraps, reason = "with `std` it can fail")]
pub(crate) fn guarded<R>(run: impl FnOnce() -> R) -> Option<R> {
    Some(run())
}
