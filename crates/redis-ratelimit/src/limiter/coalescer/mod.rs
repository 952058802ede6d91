//! Orders that wait share a call.
//!
//! As long as few calls are on their way, each order makes one of its own and pays nothing for
//! this. The others wait in a queue. When a call comes back, those that wait for the same rules
//! (and in a cluster for the same slot) go together, in the order in which they came: the script
//! decides on them one after the other, so the outcome is that of as many calls.

mod queue;
mod turn;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use self::queue::{Queue, Ticket, Waiter};
use self::turn::Turn;
use super::deny_cache::LocalClock;
use crate::core::Rule;
use crate::store::{Breaker, Budget, Order, Told};
use crate::{Applied, Fault, FaultKind, RedisStore};

pub(super) struct Coalescer {
    store: RedisStore,
    clock: LocalClock,
    budget: Duration,
    breaker: Arc<Breaker>,
    queue: Mutex<Queue>,
    /// Held by the call whose answers are being told.
    telling: tokio::sync::Mutex<()>,
}

impl Coalescer {
    pub(super) fn new(
        store: RedisStore,
        clock: LocalClock,
        budget: Duration,
        breaker: Arc<Breaker>,
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            budget,
            breaker,
            queue: Mutex::default(),
            telling: tokio::sync::Mutex::default(),
        })
    }

    /// Decides on an order for these rules, whose keys are in this slot.
    pub(super) async fn take(
        self: &Arc<Self>,
        slot: Option<u16>,
        rules: &[Rule],
        order: Order,
        budget: &Budget,
    ) -> Told {
        let (mut place, answer) = match self.enter(slot, rules, order, budget.deadline())? {
            Entry::Call(turn, order) => {
                // In a box, so that the future of those who wait stays a small one.
                return Box::pin(turn.call_alone(rules, order, budget)).await;
            }
            Entry::Wait(place, answer) => (place, answer),
        };
        match timeout_at(budget.deadline(), answer).await {
            Ok(told) => {
                place.ticket = None;
                // Whoever is not answered by a call is answered by what becomes of it.
                told.unwrap_or_else(|_| Err(not_sent()))
            }
            Err(_) => Err(Fault::new(FaultKind::Timeout, place.leave())),
        }
    }

    /// How many wait now.
    pub(super) fn waiting(&self) -> usize {
        self.queue().len()
    }

    fn enter(
        self: &Arc<Self>,
        slot: Option<u16>,
        rules: &[Rule],
        order: Order,
        deadline: Instant,
    ) -> Result<Entry<'_>, Fault> {
        let mut queue = self.queue();
        if queue.may_begin() {
            // It panics outside of a runtime, so it comes before the queue is changed.
            let runtime = Handle::current();
            queue.begin_call();
            return Ok(Entry::Call(Turn::new(self, runtime, 1), order));
        }
        let (sender, answer) = oneshot::channel();
        let waiter = Waiter {
            deadline,
            order,
            answer: sender,
        };
        let ticket = queue
            .push(slot, rules, waiter)
            .ok_or_else(|| Fault::new(FaultKind::Overloaded, Applied::No))?;
        let place = Place {
            coalescer: self,
            ticket: Some(ticket),
        };
        Ok(Entry::Wait(place, answer))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that could panic runs while the queue is not in order.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Entry<'a> {
    Call(Turn, Order),
    Wait(Place<'a>, oneshot::Receiver<Told>),
}

/// What was told to a call's only order.
pub(super) fn one(mut told: Vec<Told>) -> Told {
    told.pop().unwrap_or_else(|| Err(not_sent()))
}

/// A place in the queue, which is left when it is dropped.
struct Place<'a> {
    coalescer: &'a Coalescer,
    /// `None` when it was left.
    ticket: Option<Ticket>,
}

impl Place<'_> {
    /// Whether what stood here may have been sent meanwhile.
    fn leave(&mut self) -> Applied {
        let ticket = self.ticket.take();
        match ticket.and_then(|ticket| self.coalescer.queue().leave(ticket)) {
            Some(_) => Applied::No,
            None => Applied::Maybe,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.leave();
        }
    }
}

/// The runtime of the calls was shut down before this one was made.
fn not_sent() -> Fault {
    Fault::new(FaultKind::Unreachable, Applied::No)
}
