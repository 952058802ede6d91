//! What the pool's handles, its tasks and its jobs' handles share.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::pin::Pin;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::drive::Task;
use super::runner::Runner;
use crate::clock::{Clock, Nanos};
use crate::job::{CancelReason, Host, Log, Runnable, Tally};
use crate::metrics::Timings;
use crate::observer::Watch;
use crate::queue::{Key, Queue};
use crate::sync::Mutex;

/// Jobs that are accepted and timed: one in so many stands for the others, unless there is an
/// observer.
const TIMED_EVERY: u32 = 32;

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    /// A permit for each job that runs or waits: so submissions wait in the order of their arrival.
    pub(super) room: Semaphore,
    pub(super) drained: Notify,
    /// An earlier deadline than the one that is slept for.
    sooner: Notify,
    pub(super) runtime: Handle,
    pub(super) tally: Tally,
    pub(super) timings: Timings,
    pub(super) watch: Watch,
    clock: Clock,
}

pub(super) struct State {
    pub(super) limit: usize,
    pub(super) running: usize,
    pub(super) queue: Queue<Entry>,
    deadlines: BinaryHeap<Reverse<(Instant, Key)>>,
    has_keeper: bool,
    /// Permits that are to go when they come back: when the limit became smaller, submissions that
    /// were not in the queue yet had them.
    pub(super) owed: usize,
    pub(super) accepted: u64,
    pub(super) is_closed: bool,
}

pub(super) struct Entry {
    pub(super) task: Pin<Box<dyn Task>>,
    /// When it came: zero for a job that is not timed.
    pub(super) enqueued: Nanos,
    /// How many jobs it stands for, if it is timed.
    pub(super) weight: u32,
}

impl Shared {
    pub(super) fn new(limit: usize, queue: usize, runtime: Handle, watch: Watch) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                limit,
                running: 0,
                queue: Queue::new(0),
                deadlines: BinaryHeap::new(),
                has_keeper: false,
                owed: 0,
                accepted: 0,
                is_closed: false,
            }),
            room: Semaphore::new(limit + queue),
            drained: Notify::new(),
            sooner: Notify::new(),
            runtime,
            tally: Tally::default(),
            timings: Timings::default(),
            watch,
            clock: Clock::system(),
        })
    }

    /// Takes a job that has a permit, unless the pool is closed: then it comes back.
    pub(super) fn push<T: Task + 'static>(
        self: &Arc<Self>,
        task: Box<T>,
        deadline: Option<Instant>,
    ) -> Result<Option<Key>, Box<T>> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(task);
        }
        let is_timed = self.watch.is_there() || state.accepted.is_multiple_of(TIMED_EVERY.into());
        state.accepted += 1;
        let entry = Entry {
            task: Box::into_pin(task),
            enqueued: if is_timed { self.now() } else { 0 },
            weight: if self.watch.is_there() {
                1
            } else {
                TIMED_EVERY
            },
        };
        if state.running < state.limit {
            state.running += 1;
            drop(state);
            self.runtime.spawn(Runner::new(Arc::clone(self), entry));
            return Ok(None);
        }
        let key = state.queue.push_back(entry);
        if let Some(deadline) = deadline {
            self.expire_at(state, deadline, key);
        }
        Ok(Some(key))
    }

    fn expire_at(
        self: &Arc<Self>,
        mut state: crate::sync::MutexGuard<'_, State>,
        deadline: Instant,
        key: Key,
    ) {
        state.deadlines.push(Reverse((deadline, key)));
        let is_started = state.has_keeper;
        state.has_keeper = true;
        drop(state);
        if is_started {
            self.sooner.notify_one();
        } else {
            self.runtime.spawn(keep(Arc::clone(self)));
        }
    }

    /// A job has ended. What is the next one?
    pub(super) fn next(&self) -> Option<Entry> {
        let mut state = self.state.lock();
        let next = if state.running > state.limit {
            // Its permit goes with it, because the limit has become smaller.
            None
        } else {
            self.release(&mut state, 1);
            state.queue.pop_front()
        };
        if next.is_none() {
            state.running -= 1;
            self.tell_drained(&state);
        }
        next
    }

    /// Moves the limit, and the permits with it: there is one for each job that may wait, and one
    /// for each that may run or does.
    pub(super) fn move_limit(&self, limit: usize) {
        let mut state = self.state.lock();
        let before = state.limit.max(state.running);
        let after = limit.max(state.running);
        state.limit = limit;
        if after >= before {
            self.release(&mut state, after - before);
        } else {
            let forgotten = self.room.forget_permits(before - after);
            state.owed += before - after - forgotten;
        }
    }

    /// Gives permits back, but for those that are owed.
    pub(super) fn release(&self, state: &mut State, permits: usize) {
        let kept = permits.min(state.owed);
        state.owed -= kept;
        self.room.add_permits(permits - kept);
    }

    /// Starts tasks for jobs that wait, as many as there may be.
    pub(super) fn start_waiting(self: &Arc<Self>) {
        loop {
            let mut state = self.state.lock();
            if state.running >= state.limit {
                return;
            }
            let Some(entry) = state.queue.pop_front() else {
                return;
            };
            state.running += 1;
            drop(state);
            self.runtime.spawn(Runner::new(Arc::clone(self), entry));
        }
    }

    pub(super) fn tell_drained(&self, state: &State) {
        if state.is_drained() {
            self.drained.notify_waiters();
        }
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        self.room.close();
        self.tell_drained(&state);
    }

    /// The runtime is gone: nothing that waits will run.
    pub(super) fn abandon(&self) {
        self.close();
        self.state.lock().running -= 1;
        // One by one: what a job does when it is dropped is the caller's code.
        loop {
            let entry = self.state.lock().queue.pop_front();
            let Some(mut entry) = entry else {
                break;
            };
            entry
                .task
                .as_mut()
                .give_up(CancelReason::Shutdown, &self.log());
        }
        self.tell_drained(&self.state.lock());
    }

    /// Cancels what is too late, and says when to look again.
    fn expire(&self) -> Option<Instant> {
        let now = Instant::now();
        loop {
            let mut state = self.state.lock();
            let Some(Reverse((deadline, key))) = state.deadlines.peek().copied() else {
                state.has_keeper = false;
                return None;
            };
            if now < deadline && state.queue.contains(key) {
                return Some(deadline);
            }
            state.deadlines.pop();
            let Some(mut entry) = state.queue.remove(key) else {
                continue;
            };
            self.release(&mut state, 1);
            self.tell_drained(&state);
            drop(state);
            let log = self.log();
            let task = entry.task.as_mut();
            task.give_up(CancelReason::DeadlineExceeded, &log);
        }
    }

    pub(super) fn log(&self) -> Log<'_> {
        Log::new(&self.tally, &self.watch, &self.clock)
    }

    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }
}

impl State {
    pub(super) const fn is_drained(&self) -> bool {
        self.is_closed && self.running == 0 && self.queue.is_empty()
    }
}

/// Ends jobs when their deadlines pass, for as long as any that waits has one.
async fn keep(shared: Arc<Shared>) {
    while let Some(deadline) = shared.expire() {
        // Whichever of the two it was, it looks again.
        let _elapsed = timeout_at(deadline, shared.sooner.notified()).await;
    }
}

impl Host for Shared {
    fn cancel(self: Arc<Self>, key: Option<Key>, job: &dyn Runnable) -> bool {
        let cancelled = job.cancel(CancelReason::Requested, &self.log());
        if let Some(key) = key.filter(|_| cancelled) {
            let mut state = self.state.lock();
            let removed = state.queue.remove(key);
            if removed.is_some() {
                self.release(&mut state, 1);
                self.tell_drained(&state);
            }
            drop(state);
            crate::job::discard(removed);
        }
        cancelled
    }

    /// A task never blocks its thread to wait for another one.
    fn is_worker(&self) -> bool {
        false
    }

    fn run_here(self: Arc<Self>, _: Option<Key>, _: &dyn Runnable) {}
}
