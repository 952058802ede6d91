//! Checks that wait share a call.
//!
//! As long as few calls are on their way, each check makes one of its own and pays nothing for
//! this. The others wait in a queue. When a call comes back, those that wait for the same policy
//! go together, in the order in which they came: the script decides on them one after the other,
//! so the outcome is that of as many calls.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::deny_cache::LocalClock;
use crate::core::Outcome;
use crate::store::{Bundle, Request};
use crate::{Applied, Check, Fault, FaultKind, Policy, RedisStore, observe};

/// With two calls under way the server has the next one when it has answered the last.
const CALLS_MAX: usize = 2;

/// The checks of one call: more would hold the server up for more than a millisecond.
const CHECKS_MAX: usize = 128;

/// The checks that wait. There is a task behind each, so this bounds little more than their keys.
const QUEUE_MAX: usize = 65_536;

pub(super) struct Coalescer {
    store: RedisStore,
    clock: LocalClock,
    budget: Duration,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    calls: usize,
    tickets: u64,
    waiting: VecDeque<Waiter>,
}

struct Waiter {
    ticket: u64,
    policy: Policy,
    /// As the store calls it.
    key: Vec<u8>,
    cost: u32,
    answer: oneshot::Sender<Result<Outcome, Fault>>,
}

impl Coalescer {
    pub(super) fn new(store: RedisStore, clock: LocalClock, budget: Duration) -> Arc<Self> {
        Arc::new(Self {
            store,
            clock,
            budget,
            queue: Mutex::default(),
        })
    }

    pub(super) async fn take(
        self: &Arc<Self>,
        check: Check<'_>,
        deadline: Instant,
    ) -> Result<Outcome, Fault> {
        let (ticket, answer) = match self.enter(check)? {
            Entry::Call(_turn) => {
                return self
                    .store
                    .take(check.into(), self.clock.now_us(), deadline)
                    .await;
            }
            Entry::Wait { ticket, answer } => (ticket, answer),
        };
        match timeout_at(deadline, answer).await {
            Ok(Ok(outcome)) => outcome,
            // The runtime of the call was shut down.
            Ok(Err(_)) => Err(Fault::new(FaultKind::ConnectionLost, Applied::Maybe)),
            Err(_) => Err(Fault::new(FaultKind::Timeout, self.leave(ticket))),
        }
    }

    fn enter(self: &Arc<Self>, check: Check<'_>) -> Result<Entry, Fault> {
        // It panics outside of a runtime, so it comes before the queue is changed.
        let runtime = Handle::current();
        let mut queue = self.queue();
        if queue.calls < CALLS_MAX {
            queue.calls += 1;
            let coalescer = Arc::clone(self);
            return Ok(Entry::Call(Turn { coalescer, runtime }));
        }
        if queue.waiting.len() >= QUEUE_MAX {
            return Err(Fault::new(FaultKind::Overloaded, Applied::No));
        }
        let (sender, answer) = oneshot::channel();
        queue.tickets += 1;
        let ticket = queue.tickets;
        queue.waiting.push_back(Waiter {
            ticket,
            policy: check.policy().clone(),
            key: self.store.key(Request::from(check).id),
            cost: check.units(),
            answer: sender,
        });
        Ok(Entry::Wait { ticket, answer })
    }

    /// Gives up waiting. Whoever still stands in the queue was not sent.
    fn leave(&self, ticket: u64) -> Applied {
        let mut queue = self.queue();
        let position = queue
            .waiting
            .iter()
            .position(|waiter| waiter.ticket == ticket);
        match position.and_then(|position| queue.waiting.remove(position)) {
            Some(_) => Applied::No,
            None => Applied::Maybe,
        }
    }

    /// Those who go next, or nobody, and then the turn ends.
    fn next_or_end(&self) -> Vec<Waiter> {
        let mut queue = self.queue();
        let next = queue.next();
        if next.is_empty() {
            queue.calls -= 1;
        }
        next
    }

    async fn call(&self, waiters: Vec<Waiter>) {
        observe::batch(waiters.len());
        let policy = waiters[0].policy.clone();
        let (bundles, order) = bundle(&waiters);
        let deadline = Instant::now() + self.budget;
        let now = self.clock.now_us();
        let told = self
            .store
            .take_bundles(policy.rule(), &bundles, now, deadline)
            .await;
        for (waiter, (place, index)) in waiters.into_iter().zip(order) {
            let outcome = match &told {
                Ok(outcomes) => Ok(outcomes[place][index]),
                Err(fault) => Err(fault.clone()),
            };
            // Who has left meanwhile has said that it may have been charged.
            let _ = waiter.answer.send(outcome);
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing that could panic runs while the queue is not in order.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Not derived: what waits has the users' keys.
impl fmt::Debug for Coalescer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalescer")
            .field("waiting", &self.queue().waiting.len())
            .finish_non_exhaustive()
    }
}

impl Queue {
    /// The first one, and who waits for the same policy.
    fn next(&mut self) -> Vec<Waiter> {
        let mut next: Vec<Waiter> = Vec::new();
        let mut others = VecDeque::new();
        for waiter in self.waiting.drain(..) {
            if waiter.answer.is_closed() {
                continue;
            }
            let is_same = next
                .first()
                .is_none_or(|first| waiter.policy.is(&first.policy));
            if is_same && next.len() < CHECKS_MAX {
                next.push(waiter);
            } else {
                others.push_back(waiter);
            }
        }
        self.waiting = others;
        next
    }
}

/// The checks by their keys, and for each waiter which bundle its own is in, and where.
fn bundle(waiters: &[Waiter]) -> (Vec<Bundle>, Vec<(usize, usize)>) {
    let mut places = HashMap::new();
    let mut bundles: Vec<Bundle> = Vec::new();
    let mut order = Vec::with_capacity(waiters.len());
    for waiter in waiters {
        let place = *places.entry(&*waiter.key).or_insert(bundles.len());
        if place == bundles.len() {
            bundles.push(Bundle {
                key: waiter.key.clone(),
                costs: Vec::new(),
            });
        }
        order.push((place, bundles[place].costs.len()));
        bundles[place].costs.push(waiter.cost);
    }
    (bundles, order)
}

enum Entry {
    /// To make a call of its own.
    Call(Turn),
    Wait {
        ticket: u64,
        answer: oneshot::Receiver<Result<Outcome, Fault>>,
    },
}

/// The right to one of the calls. When it ends, also because its check was dropped, it goes to
/// those who wait.
struct Turn {
    coalescer: Arc<Coalescer>,
    runtime: Handle,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut next = self.coalescer.next_or_end();
        if next.is_empty() {
            return;
        }
        let turn = Self {
            coalescer: Arc::clone(&self.coalescer),
            runtime: self.runtime.clone(),
        };
        self.runtime.spawn(async move {
            while !next.is_empty() {
                turn.coalescer.call(next).await;
                // Whoever was answered may ask again at once: then they go along, and nobody has
                // to make a call alone.
                yield_now().await;
                next = turn.coalescer.queue().next();
            }
        });
    }
}
