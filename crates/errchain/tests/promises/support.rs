//! Errors to build chains of.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The messages of all levels, outermost first.
pub(crate) fn levels(error: &errchain::Error) -> Vec<String> {
    error.chain().map(ToString::to_string).collect()
}

/// Whatever `RUST_BACKTRACE` says, this thread captures no stack while this is kept.
#[cfg(feature = "backtrace")]
pub(crate) fn without_stacks() -> errchain::capture::Scope {
    errchain::capture::scoped(errchain::capture::Policy::Never)
}

/// There are none to be captured.
#[cfg(not(feature = "backtrace"))]
pub(crate) fn without_stacks() -> impl Sized {}

/// An error that counts how often it is dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counted(Arc<AtomicUsize>);

impl Counted {
    pub(crate) fn drops(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A second one with the same counter.
    pub(crate) fn twin(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counted")
    }
}

impl std::error::Error for Counted {}

/// An error with a cause, and a payload that is aligned to more than a word.
#[derive(Debug, thiserror::Error)]
#[error("outer")]
pub(crate) struct Outer {
    #[source]
    pub(crate) inner: Inner,
}

#[derive(Debug, thiserror::Error)]
#[error("inner")]
#[repr(align(64))]
pub(crate) struct Inner;
