//! The synchronisation primitives of this crate: loom's while it checks a model, std's otherwise.
//!
//! Everything shared between threads takes its types from here, or loom cannot see it.

#[cfg(all(test, model))]
use loom as primitives;
#[cfg(not(all(test, model)))]
use std as primitives;

use std::sync::PoisonError;
use std::time::Instant;

pub(crate) use primitives::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
pub(crate) use primitives::thread::yield_now;
use primitives::thread::{self, Thread};
pub(crate) use primitives::thread_local;

/// A lock that a panic cannot poison: none of the caller's code runs under one.
#[derive(Debug)]
pub(crate) struct Mutex<T>(primitives::sync::Mutex<T>);

pub(crate) type MutexGuard<'a, T> = primitives::sync::MutexGuard<'a, T>;

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(primitives::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Loom's, which sees who touches it at once with whom.
#[cfg(all(test, model))]
pub(crate) use loom::cell::UnsafeCell;

/// The standard library's, with the face of loom's.
#[cfg(not(all(test, model)))]
pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(all(test, model)))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    pub(crate) fn with<R>(&self, look: impl FnOnce(*const T) -> R) -> R {
        look(self.0.get())
    }

    pub(crate) fn with_mut<R>(&self, touch: impl FnOnce(*mut T) -> R) -> R {
        touch(self.0.get())
    }
}

/// Keeps what some threads write apart from what others write: they would slow each other down. Two
/// lines of a cache, because many processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Apart<T>(pub(crate) T);

impl<T> std::ops::Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
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
        // ORDERING: Release, so that who wakes up sees what was done before. A swap, because the
        // first of several is enough.
        if !self.notified.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
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

/// Looks again and again for some microseconds: what is waited for often comes sooner than a
/// thread can sleep and be woken. Says whether it came.
#[cfg(not(all(test, model)))]
pub(crate) fn spin_until(mut has_come: impl FnMut() -> bool) -> bool {
    const SPINS: u32 = 6;
    const YIELDS: u32 = 4;
    (0..SPINS + YIELDS).any(|round| {
        if round < SPINS {
            (0..1 << round).for_each(|_| std::hint::spin_loop());
        } else {
            // Who is waited for may need this processor.
            yield_now();
        }
        has_come()
    })
}

/// Lets others be faster: for a part of a microsecond.
pub(crate) fn pause() {
    #[cfg(not(all(test, model)))]
    (0..8).for_each(|_| std::hint::spin_loop());
}

/// Leaves the processor to others, for longer than a busy worker needs to make room.
pub(crate) fn nap() {
    #[cfg(not(all(test, model)))]
    thread::sleep(std::time::Duration::from_micros(20));
}

/// In a model it looks once.
#[cfg(all(test, model))]
pub(crate) fn spin_until(has_come: impl FnOnce() -> bool) -> bool {
    has_come()
}

/// Sleeps once, perhaps for no reason. Says whether there is time left.
#[cfg(not(all(test, model)))]
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

/// In a model every limit is reached at once: loom then tries it before and after all else.
#[cfg(all(test, model))]
fn sleep(end: Option<Instant>) -> bool {
    if end.is_none() {
        thread::park();
    }
    end.is_none()
}

/// Runs a check in every order of its threads' steps.
#[cfg(all(test, model))]
pub(crate) fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    // More interruptions than three in one run find nothing that fewer do not, as a rule.
    builder.preemption_bound = Some(3);
    builder.max_branches = 100_000;
    builder.check(check);
}

#[cfg(all(test, model))]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    let parker = Arc::new(Parker::current());
    let waker = Waker::from(Arc::clone(&parker));
    let mut future = std::pin::pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        parker.park(None);
    }
}
