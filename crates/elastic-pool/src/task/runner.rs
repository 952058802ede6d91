//! A task that runs one job after the other, until none waits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::shared::{Entry, Shared};
use crate::clock::Nanos;
use crate::job::CancelReason;

/// After so many jobs that ended at once others get their turn.
const AT_ONCE: usize = 16;

pub(super) struct Runner {
    shared: Arc<Shared>,
    /// `None` once it has ended.
    entry: Option<Entry>,
    /// When the job began, if it is timed.
    began: Option<Nanos>,
}

impl Runner {
    pub(super) const fn new(shared: Arc<Shared>, entry: Entry) -> Self {
        Self {
            shared,
            entry: Some(entry),
            began: None,
        }
    }

    fn poll_job(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(entry) = &mut self.entry else {
            return Poll::Ready(());
        };
        let shared = &self.shared;
        if self.began.is_none() && entry.enqueued != 0 {
            let now = shared.now();
            self.began = Some(now);
            let wait = now.saturating_sub(entry.enqueued);
            shared.timings.wait.record(wait, entry.weight);
        }
        let log = shared.log().since(entry.enqueued);
        ready!(entry.task.as_mut().poll_task(cx, &log));
        if let Some(began) = self.began.take() {
            let run = shared.now().saturating_sub(began);
            shared.timings.run.record(run, entry.weight);
        }
        Poll::Ready(())
    }
}

impl Future for Runner {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..AT_ONCE {
            ready!(self.poll_job(cx));
            self.entry = None;
            self.entry = self.shared.next();
            if self.entry.is_none() {
                return Poll::Ready(());
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Runner {
    /// With a job it is dropped only by a runtime that shuts down.
    fn drop(&mut self) {
        let Some(mut entry) = self.entry.take() else {
            return;
        };
        let log = self.shared.log();
        entry.task.as_mut().give_up(CancelReason::Shutdown, &log);
        self.shared.abandon();
    }
}
