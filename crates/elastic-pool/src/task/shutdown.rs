//! The end of a pool.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::Pool;
use super::shared::{Entry, Shared};
use crate::job::{CancelReason, Log, Tally, discard};
use crate::report::Unstarted;
use crate::{Ending, Shutdown, ShutdownReport};

impl Pool {
    /// Closes the pool and waits until it is at rest, or until the time is over. Jobs that run go on
    /// after that.
    ///
    /// # Cancel safety
    ///
    /// If this future is dropped, the pool stays closed, and what a [`Shutdown::Cancel`] has taken
    /// out of the queue is cancelled. Shut it down again for the report.
    pub async fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        let shared = &self.guard.shared;
        let (Shutdown::Drain(time) | Shutdown::Cancel(time)) = how;
        shared.close();
        let mut unstarted = Vec::new();
        if matches!(how, Shutdown::Cancel(_)) {
            take_unstarted(shared, &mut unstarted);
        }
        match Instant::now().checked_add(time) {
            // Whether it was in time is seen below.
            Some(deadline) => drop(timeout_at(deadline, drained(shared)).await),
            None => drained(shared).await,
        }
        take_unstarted(shared, &mut unstarted);
        let metrics = shared.metrics();
        ShutdownReport {
            completed: metrics.completed,
            panicked: metrics.panicked,
            cancelled: metrics.cancelled,
            still_running: metrics.busy,
            unstarted,
        }
    }
}

async fn drained(shared: &Shared) {
    loop {
        let mut told = pin!(shared.drained.notified());
        // Before the look, so that what ends after it is told.
        told.as_mut().enable();
        if shared.state.lock().is_drained() {
            return;
        }
        told.await;
    }
}

fn take_unstarted(shared: &Arc<Shared>, unstarted: &mut Vec<Unstarted>) {
    loop {
        let entry = shared.state.lock().queue.pop();
        let Some(entry) = entry else {
            break;
        };
        // Not if its handle has just cancelled it: what it has captured goes here then.
        if entry.task.hand_back(&shared.tally) {
            let watch = &shared.watch;
            watch.tell(|observer| observer.job_ended(Ending::Returned, None));
            unstarted.push(Unstarted::of_task(Handed {
                entry,
                shared: Arc::clone(shared),
            }));
        } else {
            discard(entry);
        }
    }
    shared.leave(shared.state.lock(), 0);
}

/// A job that its pool has handed back.
pub(crate) struct Handed {
    entry: Entry,
    shared: Arc<Shared>,
}

impl Handed {
    pub(crate) fn spawn(self) {
        let Self { entry, shared } = self;
        let mut rest = EndOnDrop(entry);
        shared.runtime.spawn(async move {
            let tally = Tally::default();
            poll_fn(|cx| rest.0.task.as_mut().poll_task(cx, &Log::unseen(&tally))).await;
        });
    }

    pub(crate) fn cancel(mut self) {
        let tally = Tally::default();
        let task = self.entry.task.as_mut();
        task.give_up(CancelReason::Shutdown, &Log::unseen(&tally));
    }
}

/// A runtime that shuts down drops what it runs: then the handle is told.
struct EndOnDrop(Entry);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        let tally = Tally::default();
        let task = self.0.task.as_mut();
        task.give_up(CancelReason::Shutdown, &Log::unseen(&tally));
    }
}
