//! The end of a pool.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::Pool;
use super::shared::Shared;
use crate::clock::{Nanos, nanos};
use crate::report::Unstarted;
use crate::sync::Parker;
use crate::{Ending, Shutdown, ShutdownReport};

impl Pool {
    /// Closes the pool and waits until it is at rest, or until the time is over. Jobs that run go
    /// on after that: a thread cannot be stopped from outside.
    ///
    /// A job that shuts its own pool down is one that still runs: it waits for all the time given.
    ///
    /// # Cancel safety
    ///
    /// If this future is dropped, the pool stays closed and nothing is lost: shut it down again for
    /// the report.
    pub async fn shutdown(&self, how: Shutdown) -> ShutdownReport {
        let mut shutting = Shutting::begin(&self.guard.shared, how, || self.close());
        poll_fn(|cx| shutting.poll(cx)).await
    }

    /// Like [`shutdown`](Self::shutdown), and blocks.
    #[must_use = "dropping the report cancels the jobs that it hands back"]
    pub fn shutdown_blocking(&self, how: Shutdown) -> ShutdownReport {
        let parker = Arc::new(Parker::current());
        let waker = Waker::from(Arc::clone(&parker));
        let mut cx = Context::from_waker(&waker);
        let mut shutting = Shutting::begin(&self.guard.shared, how, || self.close());
        loop {
            if let Poll::Ready(report) = shutting.poll(&mut cx) {
                return report;
            }
            parker.park(shutting.shared.clock.instant(shutting.until));
        }
    }
}

struct Shutting<'a> {
    shared: &'a Arc<Shared>,
    until: Nanos,
    unstarted: Vec<Unstarted>,
}

impl<'a> Shutting<'a> {
    fn begin(shared: &'a Arc<Shared>, how: Shutdown, close: impl FnOnce()) -> Self {
        let (Shutdown::Drain(time) | Shutdown::Cancel(time)) = how;
        let mut shutting = Self {
            shared,
            until: shared.now().saturating_add(nanos(time)),
            unstarted: Vec::new(),
        };
        if matches!(how, Shutdown::Cancel(_)) {
            // Before the sleepers hear of it: they would run what they find.
            shutting.take_unstarted();
        }
        close();
        if matches!(how, Shutdown::Cancel(_)) {
            shutting.take_unstarted();
        }
        shutting
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ShutdownReport> {
        let is_over = self.until <= self.shared.now();
        let is_pending = self.shared.with(|desk| {
            desk.expire();
            if is_over || desk.is_drained() {
                return false;
            }
            if !desk.drains.iter().any(|it| it.will_wake(cx.waker())) {
                desk.drains.push(cx.waker().clone());
            }
            desk.drain_until = desk.drain_until.min(self.until);
            desk.set_alarm();
            true
        });
        if is_pending {
            return Poll::Pending;
        }
        self.take_unstarted();
        Poll::Ready(self.report())
    }

    fn take_unstarted(&mut self) {
        let taken: Vec<_> = self.shared.with(|desk| {
            let entries: Vec<_> = std::iter::from_fn(|| desk.pop()).collect();
            desk.pass_on_room();
            entries
        });
        for entry in taken {
            // Not if its handle has just cancelled it.
            if entry.job.hand_back(&self.shared.elsewhere) {
                let watch = &self.shared.watch;
                watch.tell(|observer| observer.job_ended(Ending::Returned, None));
                self.unstarted.push(Unstarted::new(entry.job));
            }
        }
    }

    fn report(&mut self) -> ShutdownReport {
        let metrics = self.shared.metrics();
        ShutdownReport {
            completed: metrics.completed,
            panicked: metrics.panicked,
            cancelled: metrics.cancelled,
            still_running: metrics.busy,
            unstarted: std::mem::take(&mut self.unstarted),
        }
    }
}
