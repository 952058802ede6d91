//! How many loads are running.

use tokio::sync::Notify;

use crate::sync::{AtomicUsize, Ordering};

#[derive(Default)]
pub(super) struct Running {
    count: AtomicUsize,
    none_left: Notify,
}

impl Running {
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub(super) fn begin(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// For each that has begun.
    pub(super) fn end(&self) {
        if self.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.none_left.notify_waiters();
        }
    }

    /// Waits until there is none. It can be dropped and called again.
    pub(super) async fn ended(&self) {
        loop {
            // Made before the look: it hears of every end from now on.
            let none_left = self.none_left.notified();
            if self.count() == 0 {
                return;
            }
            none_left.await;
        }
    }
}
