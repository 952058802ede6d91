//! What the pool's handles, its workers and its jobs' handles share.

use std::io;
use std::sync::Arc;
use std::thread;

use super::control::{self, Control};
use super::desk::Desk;
use super::inbox::{Accepted, Inbox};
use super::keeper;
use super::seat::{Phase, Worker};
use super::settings::Settings;
use super::state::{Effects, State, Turn};
use super::worker;
use crate::Observer;
use crate::clock::{Clock, Nanos};
use crate::job::{CancelReason, Host, Job, Log, Runnable, Tally, contain};
use crate::metrics::Timings;
use crate::observer::Watch;
use crate::queue::Key;
use crate::sync::{Apart, AtomicU64, Mutex, Ordering, nap, pause, spin_until};

pub(crate) struct Shared {
    pub(super) state: Apart<Mutex<State>>,
    /// Locked after the state, by who locks both.
    pub(super) inbox: Apart<Mutex<Inbox>>,
    /// The count of the inbox, for who looks whether a job comes.
    accepted: Arc<Accepted>,
    pub(super) clock: Clock,
    pub(super) threads: Threads,
    /// One for each worker that lives, so that they do not write to the same cache line.
    pub(super) tallies: Mutex<Vec<Arc<Tally>>>,
    /// Of the workers that have left, and of what callers ran.
    pub(super) elsewhere: Tally,
    pub(super) counters: Counters,
    pub(super) timings: Timings,
    pub(super) watch: Watch,
    pub(super) control: Control,
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
    pub(super) fn new(
        settings: Settings,
        clock: Clock,
        threads: Threads,
        watch: Watch,
        control: Control,
    ) -> Arc<Self> {
        let accepted = Arc::new(Apart(AtomicU64::new(0)));
        let times_each = watch.is_there() || control.is_there();
        Arc::new(Self {
            state: Apart(Mutex::new(State::new(settings, control.is_there()))),
            inbox: Apart(Mutex::new(Inbox::new(Arc::clone(&accepted), times_each))),
            accepted,
            clock,
            threads,
            tallies: Mutex::new(Vec::new()),
            elsewhere: Tally::default(),
            counters: Counters::default(),
            timings: Timings::default(),
            watch,
            control,
        })
    }

    /// Does something at the desk, and what follows from it after.
    pub(super) fn with<R>(self: &Arc<Self>, act: impl FnOnce(&mut Desk<'_>) -> R) -> R {
        let mut effects = Effects::default();
        let result = act(&mut self.desk(&mut effects));
        // Whoever is refused a thread here has other workers, or is told by `apply` itself.
        let _refused = self.apply(effects);
        result
    }

    pub(super) fn desk<'a>(&'a self, effects: &'a mut Effects) -> Desk<'a> {
        Desk::new(self.state.lock(), self.inbox.lock(), &self.clock, effects)
    }

    /// Takes a job if nothing else is to be done for it.
    pub(super) fn push(&self, job: &mut Option<Job>) -> Option<Key> {
        let mut inbox = self.inbox.lock();
        if inbox.room == 0 {
            return None;
        }
        Some(inbox.push(job.take()?, &self.clock))
    }

    /// Whether more jobs have come than so many.
    pub(super) fn have_come_since(&self, accepted: u64) -> bool {
        // ORDERING: Relaxed, as in the inbox.
        self.accepted.load(Ordering::Relaxed) != accepted
    }

    /// Waits for room for a little while, unless others stand in line. For some more than is needed,
    /// so as not to be back at once: who is woken for each place alone costs more than the jobs.
    pub(super) fn look_for_room(self: &Arc<Self>) {
        const SOME: usize = 64;
        const NAPS: u32 = 3;
        // A shorter queue is empty before a nap is over.
        const WORTH_A_NAP: usize = 512;
        let is_over = || {
            self.with(|desk| {
                desk.room() >= SOME.min(desk.settings.queue) || !desk.waiters.is_empty()
            })
        };
        let is_long = self.state.lock().settings.queue >= WORTH_A_NAP;
        let naps = if is_long { NAPS } else { 0 };
        for _ in 0..naps {
            if spin_until(is_over) {
                return;
            }
            nap();
        }
        spin_until(is_over);
    }

    /// The next thing for a worker to do.
    pub(super) fn turn(self: &Arc<Self>, me: &mut Worker) -> Turn {
        let turn = self.take_turn(me);
        control::consult(self);
        turn
    }

    fn take_turn(self: &Arc<Self>, me: &mut Worker) -> Turn {
        let mut state = self.state.lock();
        if let Some(entry) = state.next(me) {
            return Turn::Run(entry);
        }
        if me.phase == Phase::Busy && !state.has_to_recruit() {
            // Jobs come in without the desk now. In a moment there are several to take at once, and
            // who submits is not met at the inbox for each.
            drop(state);
            pause();
            state = self.state.lock();
        }
        let mut effects = Effects::default();
        let turn = Desk::new(state, self.inbox.lock(), &self.clock, &mut effects).turn(me);
        // A thread that was refused here leaves this worker, and it is here.
        let _refused = self.apply(effects);
        turn
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
            job.cancel(reason, &self.log());
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
            self.refuse_thread();
            self.with(|desk| {
                desk.refused();
                if desk.workers > 0 {
                    // It may have been counted on while another one fell asleep.
                    desk.recruit(1);
                }
            });
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
            let stranded = self.with(|desk| (desk.workers == 0).then(|| desk.pop())?);
            let Some(entry) = stranded else {
                return;
            };
            let log = self.log().since(entry.enqueued);
            entry.job.run(&log);
        }
    }

    pub(super) fn refuse_thread(&self) {
        self.counters.refuse();
        self.watch.tell(Observer::thread_refused);
    }

    /// For what ends outside of a worker's turn.
    pub(super) fn log(&self) -> Log<'_> {
        Log::new(&self.elsewhere, &self.watch, &self.clock)
    }

    pub(super) fn now(&self) -> Nanos {
        self.clock.now()
    }
}

impl Host for Shared {
    fn cancel(self: Arc<Self>, key: Option<Key>, job: &dyn Runnable) -> bool {
        let cancelled = job.cancel(CancelReason::Requested, &self.log());
        if let Some(key) = key.filter(|_| cancelled) {
            drop(self.with(|desk| desk.remove(key)));
        }
        cancelled
    }

    fn is_worker(&self) -> bool {
        worker::is_worker_of(self)
    }

    fn run_here(self: Arc<Self>, key: Option<Key>, job: &dyn Runnable) {
        let entry = key.and_then(|key| self.with(|desk| desk.remove(key)));
        let enqueued = entry.map_or(0, |entry| entry.enqueued);
        job.run(&self.log().since(enqueued));
    }
}
