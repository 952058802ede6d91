//! Who is told of what a pool does, as it does it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::job::{Panic, discard};
use crate::sync::{AtomicBool, Ordering};
use crate::{CancelReason, SubmitErrorKind};

/// Is told of what happens in a pool, in the thread in which it happens. All that is not
/// implemented does nothing.
///
/// It is called outside all locks, so it may use the pool. What it does costs the job that it hears
/// of. The events of one job come from several threads: `job_queued` may come after `job_started`,
/// but a handle gives its result only after `job_ended`.
///
/// An observer that panics is not called again, as one whose lock is poisoned would panic at every
/// job; the pool and its jobs go on, and [`Metrics::observer_panicked`](crate::Metrics) says so.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::sync::Arc;
/// use std::time::Duration;
/// use elastic_pool::{Observer, blocking};
///
/// #[derive(Default)]
/// struct Late(AtomicU64);
///
/// impl Observer for Late {
///     fn job_started(&self, wait: Duration) {
///         if wait > Duration::from_secs(1) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let late = Arc::new(Late::default());
/// let pool = blocking::Pool::builder().observer(Arc::clone(&late)).build()?;
/// pool.try_submit(|| ())?.join()?;
/// assert_eq!(late.0.load(Ordering::Relaxed), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Called once, by `build`. An observer that cannot work panics here, as one whose lock is
    /// poisoned does by itself: then there is no pool but a
    /// [`BuildError::Observer`](crate::BuildError::Observer).
    fn attached(&self) {}

    /// A job was accepted.
    fn job_queued(&self) {}

    /// A job was refused and given back.
    fn job_refused(&self, why: SubmitErrorKind) {
        let _ = why;
    }

    /// A job begins, having waited for so long.
    fn job_started(&self, wait: Duration) {
        let _ = wait;
    }

    /// A job has ended, having run for so long: `None` if it had not begun.
    fn job_ended(&self, how: Ending, run: Option<Duration>) {
        let _ = (how, run);
    }

    /// A worker begins, in its thread.
    fn worker_started(&self) {}

    /// A worker ends, in its thread.
    fn worker_stopped(&self) {}

    /// The system has refused a thread.
    fn thread_refused(&self) {}
}

/// How a job has ended, as far as its pool is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// It returned.
    Completed,
    /// It panicked.
    Panicked,
    /// It was cancelled.
    Cancelled(CancelReason),
    /// A shutdown has handed it back, and whatever becomes of it is not told.
    Returned,
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn attached(&self) {
        (**self).attached();
    }

    fn job_queued(&self) {
        (**self).job_queued();
    }

    fn job_refused(&self, why: SubmitErrorKind) {
        (**self).job_refused(why);
    }

    fn job_started(&self, wait: Duration) {
        (**self).job_started(wait);
    }

    fn job_ended(&self, how: Ending, run: Option<Duration>) {
        (**self).job_ended(how, run);
    }

    fn worker_started(&self) {
        (**self).worker_started();
    }

    fn worker_stopped(&self) {
        (**self).worker_stopped();
    }

    fn thread_refused(&self) {
        (**self).thread_refused();
    }
}

/// The observer of a pool, if it has one.
#[derive(Default)]
pub(crate) struct Watch {
    observer: Option<Box<dyn Observer>>,
    has_panicked: AtomicBool,
}

impl Watch {
    pub(crate) fn by(observer: impl Observer) -> Self {
        Self {
            observer: Some(Box::new(observer)),
            has_panicked: AtomicBool::new(false),
        }
    }

    /// Shows the pool to the observer, which may refuse it by a panic.
    pub(crate) fn attach(&self) -> Result<(), Panic> {
        let Some(observer) = &self.observer else {
            return Ok(());
        };
        catch_unwind(AssertUnwindSafe(|| observer.attached())).map_err(Panic::new)
    }

    pub(crate) const fn is_there(&self) -> bool {
        self.observer.is_some()
    }

    pub(crate) fn has_panicked(&self) -> bool {
        // ORDERING: Relaxed, here and below. It guards nothing: a late reader calls once more.
        self.has_panicked.load(Ordering::Relaxed)
    }

    /// Tells the observer. Never called under a lock.
    #[inline]
    pub(crate) fn tell(&self, event: impl FnOnce(&dyn Observer)) {
        let Some(observer) = &self.observer else {
            return;
        };
        if self.has_panicked() {
            return;
        }
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| event(&**observer))) {
            // ORDERING: Relaxed. A late reader calls once more.
            self.has_panicked.store(true, Ordering::Relaxed);
            discard(payload);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("is_there", &self.is_there())
            .field("has_panicked", &self.has_panicked())
            .finish_non_exhaustive()
    }
}
