//! A slot in Redis: renewed while it lives, released when it goes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::remote::Remote;
use crate::core::Slot;
use crate::table::Id;
use crate::{Applied, Concurrency, Fault};

/// Dropping it releases the slot, in the background.
pub(super) struct Lease {
    /// Released when it is dropped, after the renewal has been stopped.
    _claim: Claim,
    renewal: AbortHandle,
    /// By our clock, counted from before the server was asked: so never later than by its clock.
    held_until: Arc<Mutex<Instant>>,
}

impl Lease {
    /// Takes a slot, or tells what stands in the way of it.
    pub(super) async fn take(
        remote: Arc<Remote>,
        concurrency: &Concurrency,
        key: &[u8],
        permit: u128,
    ) -> Result<Result<Self, Slot>, Fault> {
        let mut claim = Claim {
            remote,
            concurrency: concurrency.clone(),
            key: key.into(),
            permit,
            // From here on the slot may be ours, whether we hear of it or not.
            is_made: true,
            runtime: Handle::current(),
        };
        let asked_at = Instant::now();
        let slot = claim.ask(concurrency.lease()).await;
        claim.is_made = match &slot {
            Ok(slot) => slot.acquired,
            Err(fault) => fault.applied() == Applied::Maybe,
        };
        let slot = slot?;
        if !slot.acquired {
            return Ok(Err(slot));
        }
        let held_until = Arc::new(Mutex::new(asked_at + concurrency.lease()));
        let renewal = tokio::spawn(renew(claim.unmade_copy(), Arc::clone(&held_until)));
        Ok(Ok(Self {
            _claim: claim,
            renewal: renewal.abort_handle(),
            held_until,
        }))
    }

    pub(super) fn is_held(&self) -> bool {
        Instant::now()
            < *self
                .held_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // First this one: a renewal after the release would take the slot anew.
        self.renewal.abort();
    }
}

/// Renews a lease each third of its time, so that two attempts may fail. It ends when the slot
/// went to somebody else.
///
/// An attempt may take a third of the lease, whatever the budget: one that hangs is over when the
/// next one is due.
async fn renew(claim: Claim, held_until: Arc<Mutex<Instant>>) {
    let lease = claim.concurrency.lease();
    let mut due = interval_at(Instant::now() + lease / 3, lease / 3);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let asked_at = Instant::now();
        match claim.ask(lease / 3).await {
            Ok(slot) if slot.acquired => {
                *held_until.lock().unwrap_or_else(PoisonError::into_inner) = asked_at + lease;
            }
            Ok(_) => {
                *held_until.lock().unwrap_or_else(PoisonError::into_inner) = asked_at;
                return;
            }
            // The next attempt may succeed before the lease is over.
            Err(_) => {}
        }
    }
}

/// The right to a slot, which has to be released if it was made.
struct Claim {
    remote: Arc<Remote>,
    concurrency: Concurrency,
    key: Box<[u8]>,
    permit: u128,
    is_made: bool,
    runtime: Handle,
}

impl Claim {
    /// Within `bound`, or within the budget if that is shorter.
    async fn ask(&self, bound: Duration) -> Result<Slot, Fault> {
        self.remote
            .acquire(self.id(), self.concurrency.rule(), self.permit, bound)
            .await
    }

    fn id(&self) -> Id<'_> {
        Id {
            name: self.concurrency.name(),
            key: &self.key,
        }
    }

    fn unmade_copy(&self) -> Self {
        Self {
            remote: Arc::clone(&self.remote),
            concurrency: self.concurrency.clone(),
            key: self.key.clone(),
            permit: self.permit,
            is_made: false,
            runtime: self.runtime.clone(),
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_made {
            return;
        }
        let claim = self.unmade_copy();
        self.runtime.spawn(async move {
            // Without an answer the slot is free when its lease is over.
            let slots = claim.concurrency.rule();
            let _ = claim.remote.release(claim.id(), slots, claim.permit).await;
        });
    }
}
