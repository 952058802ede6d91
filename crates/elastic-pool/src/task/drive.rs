//! A future with the cell for its result.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::clock::Nanos;
use crate::job::{CancelReason, JobError, Log, Panic, Runnable, Tally, contain, discard};
use crate::raw::{Begun, Cell};

/// Stands for the work in the cell: who takes it may begin or end the job. The future itself is
/// in the queue, or with who runs it.
pub(super) struct Ticket;

impl<T: Send + 'static> Runnable for Cell<Ticket, T> {
    /// A task runs in its runtime only.
    fn run(&self, _: &Log<'_>) {}

    fn cancel(&self, reason: CancelReason, log: &Log<'_>) -> bool {
        self.cancel_work(reason, log)
    }

    fn hand_back(&self, tally: &Tally) -> bool {
        self.hand_back_work(tally)
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

/// What the pool does with a job whose type it does not know.
pub(super) trait Task: Send {
    fn poll_task(self: Pin<&mut Self>, cx: &mut Context<'_>, log: &Log<'_>) -> Poll<()>;

    /// Ends it where it is: it has not begun, or its runtime is gone.
    fn give_up(self: Pin<&mut Self>, reason: CancelReason, log: &Log<'_>);

    /// Counts it as handed back. Says whether it was still to run.
    fn hand_back(&self, tally: &Tally) -> bool;
}

pin_project! {
    pub(super) struct Drive<F: Future> {
        #[pin]
        future: Option<F>,
        // `None` once it has begun, or if nobody has a handle.
        cell: Option<Arc<Cell<Ticket, F::Output>>>,
        // `None` until then, or if nobody has a handle.
        running: Option<Begun<Arc<Cell<Ticket, F::Output>>>>,
        has_begun: bool,
        // It was handed back, and is counted as that.
        is_counted: bool,
        began: Option<Nanos>,
        origin: Origin,
    }
}

/// Where the caller was when it submitted the job.
struct Origin {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Origin {
    fn here() -> Self {
        Self {
            #[cfg(feature = "tracing")]
            span: tracing::Span::current(),
        }
    }

    #[cfg(feature = "tracing")]
    fn within<T>(&self, step: impl FnOnce() -> T) -> T {
        self.span.in_scope(step)
    }

    #[cfg(not(feature = "tracing"))]
    #[allow(clippy::unused_self, reason = "with the feature there is a span")]
    fn within<T>(&self, step: impl FnOnce() -> T) -> T {
        step()
    }

    /// Lets go of it: the job's end is the span's.
    fn leave(&mut self) {
        #[cfg(feature = "tracing")]
        {
            self.span = tracing::Span::none();
        }
    }
}

impl<F: Future> Drive<F> {
    pub(super) fn new(future: F, cell: Option<Arc<Cell<Ticket, F::Output>>>) -> Self {
        Self {
            future: Some(future),
            cell,
            running: None,
            has_begun: false,
            is_counted: false,
            began: None,
            origin: Origin::here(),
        }
    }

    pub(super) fn into_future(self) -> F {
        self.future
            .expect("a job that is refused has not been polled")
    }
}

impl<F> Task for Drive<F>
where
    F: Future + Send,
    F::Output: Send,
{
    fn poll_task(self: Pin<&mut Self>, cx: &mut Context<'_>, log: &Log<'_>) -> Poll<()> {
        let mut this = self.project();
        if !*this.has_begun {
            *this.has_begun = true;
            if let Some(cell) = this.cell.take() {
                let Some((Ticket, begun)) = Cell::start(cell) else {
                    // Its handle has cancelled it.
                    contain(|| this.future.set(None));
                    return Poll::Ready(());
                };
                *this.is_counted = begun.is_counted();
                *this.running = Some(begun);
            }
            *this.began = (!*this.is_counted).then(|| log.begin()).flatten();
        }
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(());
        };
        let origin = &*this.origin;
        let polled = catch_unwind(AssertUnwindSafe(|| origin.within(|| future.poll(cx))));
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(payload) => Err(JobError::Panicked(Panic::new(payload))),
        };
        // What the future has captured is gone before the handle knows.
        contain(|| this.future.set(None));
        this.origin.leave();
        if !*this.is_counted {
            log.end(result.as_ref().map(drop), *this.began);
        }
        match this.running.take() {
            // If nobody has the handle, the result goes here: its `drop` is the caller's code.
            Some(running) => discard(running.end(result)),
            None => discard(result),
        }
        Poll::Ready(())
    }

    fn give_up(self: Pin<&mut Self>, reason: CancelReason, log: &Log<'_>) {
        let mut this = self.project();
        if this.future.is_none() {
            return;
        }
        contain(|| this.future.set(None));
        if let Some(cell) = this.cell.take() {
            cell.cancel_work(reason, log);
            return;
        }
        let error = JobError::Cancelled(reason);
        if !*this.is_counted {
            log.end(Err(&error), *this.began);
        }
        if let Some(running) = this.running.take() {
            discard(running.end(Err(error)));
        }
    }

    fn hand_back(&self, tally: &Tally) -> bool {
        let Some(cell) = &self.cell else {
            tally.count_returned();
            return true;
        };
        cell.hand_back_work(tally)
    }
}
