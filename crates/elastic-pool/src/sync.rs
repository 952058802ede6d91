//! What threads meet in. Everything shared between them takes its types from here, so that there is
//! one place to put others in.

use std::sync::PoisonError;
use std::time::Instant;

pub(crate) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, Thread};

/// A lock that a panic cannot poison: none of the caller's code runs under one.
#[derive(Debug)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

pub(crate) type MutexGuard<'a, T> = std::sync::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where one thread sleeps until another one says its name.
#[derive(Debug)]
pub(crate) struct Parker {
    thread: Thread,
    notified: AtomicBool,
}

impl Parker {
    /// The parker of the thread that calls this.
    pub(crate) fn current() -> Self {
        Self {
            thread: thread::current(),
            notified: AtomicBool::new(false),
        }
    }

    /// Ends the sleep, or the next one.
    pub(crate) fn unpark(&self) {
        // ORDERING: Release, so that who wakes up sees what was done before.
        self.notified.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Sleeps until somebody calls [`unpark`](Self::unpark), or until `end`. Says whether it was
    /// woken.
    pub(crate) fn park(&self, end: Option<Instant>) -> bool {
        loop {
            // ORDERING: Acquire, pairs with `unpark`.
            if self.notified.swap(false, Ordering::Acquire) {
                return true;
            }
            if !sleep(end) {
                // ORDERING: Acquire, as above.
                return self.notified.swap(false, Ordering::Acquire);
            }
        }
    }
}

impl std::task::Wake for Parker {
    fn wake(self: std::sync::Arc<Self>) {
        self.unpark();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        self.unpark();
    }
}

/// Sleeps once, perhaps for no reason. Says whether there is time left.
fn sleep(end: Option<Instant>) -> bool {
    let Some(end) = end else {
        thread::park();
        return true;
    };
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return false;
    }
    thread::park_timeout(left);
    true
}
