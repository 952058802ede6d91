//! A bound on the requests under way.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::{Error, Exchange, Middleware, Next, Outcome, Result, Role};

/// Bounds the requests under way, to the last byte of their answers. One too many is refused with
/// 503, at once or after it has waited.
#[derive(Debug, Clone)]
pub struct Concurrency {
    slots: Arc<Semaphore>,
    patience: Duration,
}

impl Concurrency {
    /// So many at once; others are refused without waiting.
    ///
    /// # Panics
    ///
    /// If it is more than `usize::MAX >> 3`, which is more than there can be.
    #[must_use]
    pub fn limit(requests: usize) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(requests)),
            patience: Duration::ZERO,
        }
    }

    /// Others wait for so long, in the order in which they came.
    #[must_use]
    pub const fn shed_after(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

impl Middleware for Concurrency {
    async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
        if cx.holds_slot_of(&self.slots) {
            // It is tried again.
            return next.run(cx).await;
        }
        let slots = Arc::clone(&self.slots);
        let slot = if self.patience.is_zero() {
            slots.try_acquire_owned().ok()
        } else {
            let slot = timeout(self.patience, slots.acquire_owned()).await;
            slot.ok().and_then(std::result::Result::ok)
        };
        let Some(slot) = slot else {
            return Err(Error::with(StatusCode::SERVICE_UNAVAILABLE, Outcome::Shed));
        };
        cx.hold(slot);
        next.run(cx).await
    }

    fn role(&self) -> Role {
        if self.patience.is_zero() {
            Role::Concurrency
        } else {
            Role::Queue
        }
    }
}
