//! What the pool's handles, its tasks and its jobs' handles share.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::drive::Task;
use super::runner::Runner;
use super::tasks::Tasks;
use crate::backlog::Backlog;
use crate::clock::{Clock, Nanos};
use crate::job::{CancelReason, Host, Log, Runnable, Tally, contain, discard};
use crate::metrics::Timings;
use crate::observer::Watch;
use crate::queue::Key;
use crate::sync::{Mutex, MutexGuard};

/// Jobs that are accepted and timed: one in so many stands for the others, unless there is an
/// observer.
const TIMED_EVERY: u32 = 32;

pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    /// A permit for each job that runs or waits: so submissions wait in the order of their arrival.
    pub(super) room: Semaphore,
    pub(super) drained: Notify,
    /// The timekeeper is to look again: for an earlier deadline, or because there is nothing left.
    look: Notify,
    pub(super) runtime: Tasks,
    pub(super) tally: Tally,
    pub(super) timings: Timings,
    pub(super) watch: Watch,
    clock: Clock,
}

pub(super) struct State {
    pub(super) limit: usize,
    pub(super) running: usize,
    pub(super) queue: Backlog<Entry, Instant>,
    /// What the timekeeper sleeps until. `None` without one.
    keeper: Option<Instant>,
    /// Permits that are to go when they come back: when the limit became smaller, submissions that
    /// were not in the queue yet had them.
    owed: usize,
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
    pub(super) fn new(limit: usize, queue: usize, runtime: Tasks, watch: Watch) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                limit,
                running: 0,
                queue: Backlog::new(0),
                keeper: None,
                owed: 0,
                accepted: 0,
                is_closed: false,
            }),
            room: Semaphore::new(limit + queue),
            drained: Notify::new(),
            look: Notify::new(),
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
        let key = state.queue.push(entry);
        if let Some(deadline) = deadline {
            self.expire_at(state, deadline, key);
        }
        Ok(Some(key))
    }

    fn expire_at(self: &Arc<Self>, mut state: MutexGuard<'_, State>, deadline: Instant, key: Key) {
        state.queue.expire_at(deadline, key);
        let keeper = state.keeper;
        if keeper.is_some_and(|until| until <= deadline) {
            return;
        }
        state.keeper = Some(deadline);
        drop(state);
        if keeper.is_some() {
            self.look.notify_one();
        } else {
            self.runtime.spawn(keep(Arc::clone(self)));
        }
    }

    /// A job has ended. What is the next one?
    pub(super) fn next(&self) -> Option<Entry> {
        let mut state = self.state.lock();
        if state.queue.has_deadlines() {
            drop(state);
            self.expire();
            state = self.state.lock();
        }
        // If the limit has become smaller, the job's permit goes with it.
        let (next, permits) = if state.running > state.limit {
            (None, 0)
        } else {
            (state.queue.pop(), 1)
        };
        if next.is_none() {
            state.running -= 1;
        }
        self.leave(state, permits);
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
            self.leave(state, after - before);
        } else {
            let forgotten = self.room.forget_permits(before - after);
            state.owed += before - after - forgotten;
        }
    }

    /// Gives permits back, but for those that are owed, and says if that was the end. Those who wait
    /// for either are woken outside of the lock: a waker is the caller's code.
    pub(super) fn leave(&self, mut state: MutexGuard<'_, State>, permits: usize) {
        let kept = permits.min(state.owed);
        state.owed -= kept;
        let is_drained = state.is_drained();
        drop(state);
        contain(|| self.room.add_permits(permits - kept));
        if is_drained {
            contain(|| self.drained.notify_waiters());
            self.look.notify_one();
        }
    }

    /// Starts tasks for jobs that wait, as many as there may be.
    pub(super) fn start_waiting(self: &Arc<Self>) {
        self.expire();
        loop {
            let mut state = self.state.lock();
            if state.running >= state.limit {
                return;
            }
            let Some(entry) = state.queue.pop() else {
                return;
            };
            state.running += 1;
            drop(state);
            self.runtime.spawn(Runner::new(Arc::clone(self), entry));
        }
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        self.leave(state, 0);
        contain(|| self.room.close());
    }

    /// The runtime is gone: nothing that waits will run.
    pub(super) fn abandon(&self) {
        self.close();
        self.state.lock().running -= 1;
        // One by one: what a job does when it is dropped is the caller's code.
        loop {
            let entry = self.state.lock().queue.pop();
            let Some(mut entry) = entry else {
                break;
            };
            entry
                .task
                .as_mut()
                .give_up(CancelReason::Shutdown, &self.log());
        }
        self.leave(self.state.lock(), 0);
    }

    /// Cancels what is too late.
    fn expire(&self) {
        loop {
            let mut state = self.state.lock();
            if !state.queue.has_deadlines() {
                return;
            }
            let Some(mut entry) = state.queue.expired(Instant::now()) else {
                return;
            };
            self.leave(state, 1);
            let log = self.log();
            let task = entry.task.as_mut();
            task.give_up(CancelReason::DeadlineExceeded, &log);
        }
    }

    /// Says when the timekeeper is to look again: `None` to leave.
    fn alarm(&self) -> Option<Instant> {
        let mut state = self.state.lock();
        state.keeper = state.queue.earliest();
        state.keeper
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
    loop {
        shared.expire();
        let Some(deadline) = shared.alarm() else {
            return;
        };
        // Whichever of the two it was, it looks again.
        let _elapsed = timeout_at(deadline, shared.look.notified()).await;
    }
}

impl Host for Shared {
    fn cancel(self: Arc<Self>, key: Option<Key>, job: &dyn Runnable) -> bool {
        let cancelled = job.cancel(CancelReason::Requested, &self.log());
        if let Some(key) = key.filter(|_| cancelled) {
            let mut state = self.state.lock();
            let removed = state.queue.remove(key);
            let permits = usize::from(removed.is_some());
            self.leave(state, permits);
            discard(removed);
        }
        cancelled
    }

    /// A task never blocks its thread to wait for another one.
    fn is_worker(&self) -> bool {
        false
    }

    fn run_here(self: Arc<Self>, _: Option<Key>, _: &dyn Runnable) {}
}
