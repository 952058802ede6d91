//! The one place that knows of loom and shuttle: the rest takes its locks and atomics from here.

#[cfg(not(all(test, any(model, model_shuttle))))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
};

#[cfg(all(test, model))]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
};

#[cfg(all(test, model_shuttle))]
pub(crate) use shuttle::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
};

#[cfg(all(feature = "redis", not(all(test, model))))]
pub(crate) use std::sync::atomic::AtomicU32;

#[cfg(all(test, model))]
pub(crate) use loom::sync::atomic::AtomicU32;

#[cfg(all(test, model_shuttle))]
pub(crate) use shuttle::future::spawn;
#[cfg(not(all(test, model_shuttle)))]
pub(crate) use tokio::spawn;

use std::sync::PoisonError;

/// Locks. Nothing that could panic half-way runs under any lock of this crate, so that what a
/// poisoned one guards is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
