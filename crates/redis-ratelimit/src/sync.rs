//! The one place that knows of loom: what is decided in memory takes its locks from here.

use std::sync::PoisonError;

#[cfg(all(test, model))]
use loom::sync as primitives;
#[cfg(not(all(test, model)))]
use std::sync as primitives;

pub(crate) use primitives::{Mutex, MutexGuard};

/// Locks, whoever has panicked before: what is guarded must be whole at any time.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
