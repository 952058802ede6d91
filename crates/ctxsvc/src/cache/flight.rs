//! A load, which belongs to nobody who waits for it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::remote::Since;
use crate::sync::spawn;

/// A load that is under way. It ends once, and for all who wait.
pub(super) struct Flight<T> {
    began: Instant,
    /// From when on what it brings was read, once that is known.
    reads_since: OnceLock<Since>,
    outcome: OnceLock<T>,
    ended: Notify,
}

impl<T> Flight<T> {
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            reads_since: OnceLock::new(),
            outcome: OnceLock::new(),
            ended: Notify::new(),
        }
    }

    /// What it brings is read from now on.
    pub(super) fn reads(&self, since: Since) {
        let _ = self.reads_since.set(since);
    }

    /// From when on what it brings was read at the earliest, and with which mark if it was read.
    pub(super) fn since(&self) -> (Instant, Option<Since>) {
        let since = self.reads_since.get().copied();
        (since.map_or(self.began, |since| since.at), since)
    }

    /// The first outcome counts.
    pub(super) fn end(&self, outcome: T) {
        let _ = self.outcome.set(outcome);
        self.ended.notify_waiters();
    }

    pub(super) fn outcome(&self) -> Option<&T> {
        self.outcome.get()
    }

    pub(super) async fn wait(&self) -> &T {
        // Made before the look: it hears of every end from now on.
        let ended = self.ended.notified();
        if let Some(outcome) = self.outcome.get() {
            return outcome;
        }
        ended.await;
        self.outcome.get().expect("a flight ends with its outcome")
    }
}

/// Runs a future to its end, whoever else is polled. Its first step is taken here, so that what
/// is ready at once needs no task.
pub(super) fn launch(future: impl Future<Output = ()> + Send + 'static) {
    let mut future = Box::pin(future);
    // Nobody has to be woken: if it is to be polled again, that is done at once, by the task.
    let mut cx = Context::from_waker(Waker::noop());
    if future.as_mut().poll(&mut cx).is_pending() {
        spawn(future);
    }
}

pin_project! {
    /// A future whose panic is an outcome. The panic hook has told of it.
    pub(super) struct Caught<F> {
        #[pin]
        future: F,
    }
}

pub(super) fn caught<F: Future>(future: F) -> Caught<F> {
    Caught { future }
}

impl<F: Future> Future for Caught<F> {
    /// None is a panic.
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        // It is dropped and never polled again, so nobody sees what it has left half done.
        match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(polled) => polled.map(Some),
            Err(_) => Poll::Ready(None),
        }
    }
}
