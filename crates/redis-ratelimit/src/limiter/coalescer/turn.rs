//! The right to one of the calls.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::vec::IntoIter;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::queue::Waiter;
use super::{Coalescer, not_sent, one};
use crate::core::Rule;
use crate::store::{Budget, Order, Told};
use crate::{Applied, Fault, FaultKind, observe};

/// The right to one of the calls. When it ends, also because its order was dropped, it goes to
/// those who wait.
pub(super) struct Turn {
    coalescer: Arc<Coalescer>,
    runtime: Handle,
    /// Of the call that is made, as they were counted.
    orders: usize,
    has_ended: bool,
}

impl Turn {
    /// For a call of so many orders that was counted.
    pub(super) fn new(coalescer: &Arc<Coalescer>, runtime: Handle, orders: usize) -> Self {
        Self {
            coalescer: Arc::clone(coalescer),
            runtime,
            orders,
            has_ended: false,
        }
    }

    /// The call of an order that waits for nobody.
    pub(super) async fn call_alone(self, rules: &[Rule], order: Order, budget: &Budget) -> Told {
        let Coalescer { store, clock, .. } = &*self.coalescer;
        let orders = [order];
        one(store.take(rules, &orders, clock.now_us(), budget).await?)
    }

    /// Makes calls for those who wait until there is nobody.
    async fn serve(mut self, first: Batch) {
        let coalescer = Arc::clone(&self.coalescer);
        let call = |batch: Batch| Box::pin(batch.call(&coalescer));
        let (mut called, mut so_far) = (call(first), Poll::Pending);
        loop {
            let answered = match so_far {
                Poll::Ready(answered) => answered,
                Poll::Pending => called.await,
            };
            // One call is told after the other. If they had come together and were told together,
            // the next ones would go together, the server would answer both when it has carried out
            // both, and from then on it would wait for us, and we for it.
            let telling = coalescer.telling.try_lock();
            if telling.is_err() {
                yield_now().await;
            }
            let mut next = self.next_if_full().map(call);
            so_far = match &mut next {
                // It is sent before anybody is told: so the server has something to do meanwhile.
                Some(next) => poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await,
                None => Poll::Pending,
            };
            drop(answered);
            // Whoever was answered may ask again at once: then they go along, and nobody has to
            // make a call alone.
            yield_now().await;
            match next.or_else(|| self.next_or_end().map(call)) {
                Some(next) => called = next,
                None => return,
            }
        }
    }

    fn next_if_full(&mut self) -> Option<Batch> {
        let next = self.coalescer.queue().next_if_full(self.orders);
        next.map(|(rules, waiters)| self.batch(rules, waiters))
    }

    fn next_or_end(&mut self) -> Option<Batch> {
        let next = self.coalescer.queue().next_or_end(self.orders);
        self.has_ended = next.is_none();
        next.map(|(rules, waiters)| self.batch(rules, waiters))
    }

    fn batch(&mut self, rules: Arc<[Rule]>, waiters: Vec<Waiter>) -> Batch {
        self.orders = waiters.len();
        Batch::new(rules, waiters)
    }
}

impl Drop for Turn {
    /// A loop, and not a turn that ends in the drop of the one before: a runtime that is shut down
    /// drops what is spawned on it at once.
    fn drop(&mut self) {
        while !self.has_ended
            && let Some(batch) = self.next_or_end()
        {
            let heir = Self::new(&self.coalescer, self.runtime.clone(), self.orders);
            let estate = Arc::new(Mutex::new(Some((heir, batch))));
            let served = self.runtime.spawn(serve(Arc::clone(&estate)));
            // If it never ran, this is where the turn still is.
            match served.is_finished().then(|| take(&estate)).flatten() {
                Some((mut heir, _never_sent)) => heir.has_ended = true,
                None => return,
            }
        }
    }
}

type Estate = Mutex<Option<(Turn, Batch)>>;

async fn serve(estate: Arc<Estate>) {
    if let Some((turn, batch)) = take(&estate) {
        turn.serve(batch).await;
    }
}

fn take(estate: &Estate) -> Option<(Turn, Batch)> {
    estate.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Orders that go together. Dropped, it tells those who are not answered whether they were sent.
struct Batch {
    rules: Arc<[Rule]>,
    orders: Vec<Order>,
    answers: Vec<oneshot::Sender<Told>>,
    is_sent: bool,
}

impl Batch {
    fn new(rules: Arc<[Rule]>, waiters: Vec<Waiter>) -> Self {
        let mut orders = Vec::with_capacity(waiters.len());
        let mut answers = Vec::with_capacity(waiters.len());
        let now = Instant::now();
        for waiter in waiters {
            if waiter.deadline > now {
                orders.push(waiter.order);
                answers.push(waiter.answer);
            } else {
                // What nobody waits for is not sent: it would be charged for nothing.
                let late = Fault::new(FaultKind::Timeout, Applied::No);
                let _ = waiter.answer.send(Err(late));
            }
        }
        Self {
            rules,
            orders,
            answers,
            is_sent: false,
        }
    }

    async fn call(mut self, coalescer: &Coalescer) -> Answered {
        let mut told = Ok(Vec::new());
        if !self.orders.is_empty() {
            observe::batch(self.orders.len());
            let deadline = Instant::now() + coalescer.budget;
            let budget = Budget::counted(deadline, &coalescer.breaker);
            let (store, now) = (&coalescer.store, coalescer.clock.now_us());
            self.is_sent = true;
            told = store.take(&self.rules, &self.orders, now, &budget).await;
        }
        Answered {
            answers: std::mem::take(&mut self.answers),
            told: told.map(Vec::into_iter),
        }
    }
}

/// Orders that were called, and what has come of them. Dropped, it tells that.
struct Answered {
    answers: Vec<oneshot::Sender<Told>>,
    told: Result<IntoIter<Told>, Fault>,
}

impl Drop for Answered {
    fn drop(&mut self) {
        for answer in self.answers.drain(..) {
            let told = match &mut self.told {
                Ok(told) => told.next().unwrap_or_else(|| Err(not_sent())),
                Err(fault) => Err(fault.clone()),
            };
            // Who has left meanwhile has said that it may have been charged.
            let _ = answer.send(told);
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for answer in self.answers.drain(..) {
            let fault = if self.is_sent {
                Fault::new(FaultKind::ConnectionLost, Applied::Maybe)
            } else {
                not_sent()
            };
            let _ = answer.send(Err(fault));
        }
    }
}
