//! What the pool's handles, its workers and its jobs' handles share.

use std::io;
use std::sync::Arc;
use std::thread;

use super::keeper;
use super::settings::Settings;
use super::state::{Effects, State};
use super::worker;
use crate::clock::{Clock, Nanos};
use crate::job::{CancelReason, Host, Runnable, Tally, contain, discard};
use crate::metrics::Timings;
use crate::queue::Key;
use crate::sync::{AtomicU64, Mutex, Ordering};

pub(crate) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) clock: Clock,
    pub(super) threads: Threads,
    /// One for each worker that lives, so that they do not write to the same cache line.
    pub(super) tallies: Mutex<Vec<Arc<Tally>>>,
    /// Of the workers that have left, and of what callers ran.
    pub(super) elsewhere: Tally,
    pub(super) counters: Counters,
    pub(super) timings: Timings,
}

/// What happens rarely enough to be counted in one place.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) started: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Counters {
    pub(super) fn refuse(&self) {
        // ORDERING: Relaxed. A counter that guards nothing.
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// Starts threads: a test puts one in its place that is refused.
pub(super) type Start =
    dyn Fn(thread::Builder, Box<dyn FnOnce() + Send>) -> io::Result<()> + Send + Sync;

/// How threads are started and called.
pub(super) struct Threads {
    pub(super) name: Box<dyn Fn(usize) -> String + Send + Sync>,
    pub(super) start: Box<Start>,
}

impl Shared {
    pub(super) fn new(settings: Settings, clock: Clock, threads: Threads) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new(settings)),
            clock,
            threads,
            tallies: Mutex::new(Vec::new()),
            elsewhere: Tally::default(),
            counters: Counters::default(),
            timings: Timings::default(),
        })
    }

    /// Does something under the lock, and what follows from it after.
    pub(super) fn with<R>(self: &Arc<Self>, act: impl FnOnce(&mut State, &mut Effects) -> R) -> R {
        let mut effects = Effects::default();
        let result = act(&mut self.state.lock(), &mut effects);
        // Whoever is refused a thread here has other workers, or is told by `apply` itself.
        let _refused = self.apply(effects);
        result
    }

    /// Wakes, starts and cancels. The error is that of the first worker, without which no job can
    /// run.
    pub(super) fn apply(self: &Arc<Self>, effects: Effects) -> io::Result<()> {
        for seat in effects.wake {
            seat.parker.unpark();
        }
        for waker in effects.room_for.into_iter().chain(effects.drained) {
            contain(|| waker.wake());
        }
        let mut result = Ok(());
        for _ in 0..effects.start {
            if let Err(error) = self.start_worker() {
                result = Err(error);
            }
        }
        if effects.ring {
            keeper::ring(self);
        }
        for (job, reason) in effects.cancel {
            job.cancel(reason, &self.elsewhere);
            discard(job);
        }
        result
    }

    /// Starts a worker that the state has counted already. An error only if it would have been the
    /// first: without it no job can run.
    fn start_worker(self: &Arc<Self>) -> io::Result<()> {
        let started = self.start_or_refuse();
        if started.is_err() && self.state.lock().workers > 0 {
            return Ok(());
        }
        started
    }

    /// Starts a worker that the state has counted already.
    pub(super) fn start_or_refuse(self: &Arc<Self>) -> io::Result<()> {
        // ORDERING: Relaxed, here and below: counters that guard nothing.
        let number = self.counters.started.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::clone(self);
        let started = self.start_thread(number, Box::new(move || worker::work(&shared)));
        if started.is_err() {
            self.counters.started.fetch_sub(1, Ordering::Relaxed);
            self.counters.refuse();
            self.state.lock().refused(&self.clock);
        }
        started
    }

    pub(super) fn start_thread(
        &self,
        number: u64,
        main: Box<dyn FnOnce() + Send>,
    ) -> io::Result<()> {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let builder = thread::Builder::new().name((self.threads.name)(number));
        (self.threads.start)(builder, main)
    }

    /// Runs what waits in the calling thread, if there is no worker and none can be had: others
    /// submitted it while the first thread was being started.
    pub(super) fn run_stranded(self: &Arc<Self>) {
        loop {
            let stranded =
                self.with(|state, _| (state.workers == 0).then(|| state.backlog.pop())?);
            let Some(entry) = stranded else {
                return;
            };
            entry.job.run(&self.elsewhere);
        }
    }

    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }
}

impl Host for Shared {
    fn cancel(self: Arc<Self>, key: Option<Key>, job: &dyn Runnable) -> bool {
        let cancelled = job.cancel(CancelReason::Requested, &self.elsewhere);
        if let Some(key) = key.filter(|_| cancelled) {
            self.with(|state, effects| state.remove(key, effects));
        }
        cancelled
    }

    fn is_worker(&self) -> bool {
        worker::is_worker_of(self)
    }

    fn run_here(self: Arc<Self>, key: Option<Key>, job: &dyn Runnable) {
        if let Some(key) = key {
            self.with(|state, effects| state.remove(key, effects));
        }
        job.run(&self.elsewhere);
    }
}
