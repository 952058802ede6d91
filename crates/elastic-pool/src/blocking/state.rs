//! The core: what waits, who sleeps, who runs. It starts no thread, wakes nobody and runs no code
//! of the caller: it says in [`Effects`] what is to be done once the lock is released.
//!
//! The invariant, from which follows that no job is stranded: *while a job waits and a worker
//! sleeps or may be started, somebody is on the way to fetch it* (`searching` is not zero). A
//! submission makes it true, claiming a sleeper under the lock that it pushes under, so that no two
//! submissions count the same one. Who fetches a job makes it true again before it runs the job.
//! A worker leaves only under the same lock, and only if nothing waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use super::backlog::{Backlog, Entry, Job};
use super::seat::{Seat, Worker};
use super::settings::Settings;
use crate::clock::{Clock, NEVER, Nanos};
use crate::job::CancelReason;
use crate::queue::{Key, Queue};
use crate::sync::Parker;

/// How many others a worker sends for before it begins, so that a burst spreads in steps of two.
const RECRUITS: usize = 2;

/// When nobody is idle one job in this many is timed, and stands for all of them.
const TIMED_EVERY: u32 = 32;

/// How long no thread is started after the system has refused one.
const REFUSED_NANOS: Nanos = 10_000_000;

pub(crate) struct State {
    pub(super) settings: Settings,
    pub(super) backlog: Backlog,
    /// The one that fell asleep last is woken first, so that the others can time out.
    sleepers: Vec<Arc<Seat>>,
    /// All threads, also those that are being started.
    pub(super) workers: usize,
    pub(super) busy: usize,
    /// Woken or being started, and not yet here to fetch a job.
    searching: usize,
    pub(super) is_closed: bool,
    /// Submissions that wait for room. Who finds room is told one at a time.
    pub(super) waiters: Queue<Waker>,
    notified: usize,
    retry_at: Nanos,
    /// What the timekeeper sleeps until. `None` without one.
    pub(super) keeper: Option<Nanos>,
    pub(super) keeper_parker: Option<Arc<Parker>>,
    pub(super) drains: Vec<Waker>,
    pub(super) drain_until: Nanos,
    pub(super) accepted: u64,
}

/// What is to be done after the lock is released.
#[derive(Default)]
#[must_use = "effects are to be applied"]
pub(crate) struct Effects {
    pub(super) wake: VecDeque<Arc<Seat>>,
    pub(super) start: usize,
    pub(super) room_for: Option<Waker>,
    pub(super) cancel: Vec<(Job, CancelReason)>,
    pub(super) drained: Vec<Waker>,
    pub(super) ring: bool,
}

/// What a worker does next.
pub(crate) enum Turn {
    Run(Entry),
    Sleep { until: Nanos },
    Leave,
}

/// Why a job is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Full,
    Closed,
    TooLate,
}

impl State {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            backlog: Backlog::default(),
            sleepers: Vec::new(),
            workers: 0,
            busy: 0,
            searching: 0,
            is_closed: false,
            waiters: Queue::default(),
            notified: 0,
            retry_at: 0,
            keeper: None,
            keeper_parker: None,
            drains: Vec::new(),
            drain_until: NEVER,
            accepted: 0,
        }
    }

    /// Takes a job, if there is room.
    pub(super) fn push(
        &mut self,
        job: &Job,
        deadline: Nanos,
        clock: &Clock,
        effects: &mut Effects,
    ) -> Result<Key, Refusal> {
        self.admit(deadline, clock, effects)?;
        let (enqueued, weight) = self.stamp(clock);
        let entry = Entry {
            job: Arc::clone(job),
            enqueued,
            weight,
        };
        let key = self.backlog.push(entry, deadline);
        self.accepted += 1;
        self.recruit(1, clock, effects);
        self.pass_on_room(effects);
        Ok(key)
    }

    /// Like [`push`](Self::push), and if there is no room, the oldest job makes some.
    pub(super) fn push_discarding(
        &mut self,
        job: &Job,
        deadline: Nanos,
        clock: &Clock,
        effects: &mut Effects,
    ) -> Result<Key, Refusal> {
        if self.admit(deadline, clock, effects) == Err(Refusal::Full) {
            let oldest = self.backlog.pop();
            effects
                .cancel
                .extend(oldest.map(|it| (it.job, CancelReason::Discarded)));
        }
        self.push(job, deadline, clock, effects)
    }

    fn admit(
        &mut self,
        deadline: Nanos,
        clock: &Clock,
        effects: &mut Effects,
    ) -> Result<(), Refusal> {
        if self.is_closed {
            return Err(Refusal::Closed);
        }
        if deadline != NEVER && deadline <= clock.now() {
            return Err(Refusal::TooLate);
        }
        if self.has_room() {
            return Ok(());
        }
        self.expire(clock, effects);
        if self.has_room() {
            return Ok(());
        }
        Err(Refusal::Full)
    }

    pub(super) const fn has_room(&self) -> bool {
        self.backlog.len() < self.settings.queue
    }

    /// The next thing for a worker to do.
    pub(super) fn turn(&mut self, me: &mut Worker, clock: &Clock, effects: &mut Effects) -> Turn {
        if std::mem::take(&mut me.is_busy) {
            self.busy -= 1;
            self.tell_drained(effects);
        }
        if me.is_asleep {
            if !me.seat.was_claimed() {
                return self.oversleep(me, clock);
            }
            me.is_asleep = false;
            me.is_searching = true;
        }
        if std::mem::take(&mut me.is_searching) {
            self.searching -= 1;
        }
        if self.workers > self.settings.max {
            return self.leave(clock, effects);
        }
        self.expire(clock, effects);
        let Some(entry) = self.backlog.pop() else {
            return self.rest(me, clock, effects);
        };
        self.busy += 1;
        me.is_busy = true;
        self.recruit(RECRUITS, clock, effects);
        self.keep_a_spare(clock, effects);
        self.pass_on_room(effects);
        Turn::Run(entry)
    }

    /// The lock was free long enough for somebody to claim the sleeper: only if nobody has, it may
    /// go.
    fn oversleep(&mut self, me: &mut Worker, clock: &Clock) -> Turn {
        if clock.now() < me.until {
            return Turn::Sleep { until: me.until };
        }
        if self.workers <= self.settings.min {
            me.until = NEVER;
            return Turn::Sleep { until: NEVER };
        }
        self.sleepers.retain(|seat| !Arc::ptr_eq(seat, &me.seat));
        self.workers -= 1;
        Turn::Leave
    }

    fn rest(&mut self, me: &mut Worker, clock: &Clock, effects: &mut Effects) -> Turn {
        if self.is_closed {
            return self.leave(clock, effects);
        }
        me.until = if self.workers > self.settings.min {
            clock.now().saturating_add(self.settings.idle_timeout)
        } else {
            NEVER
        };
        me.is_asleep = true;
        self.sleepers.push(Arc::clone(&me.seat));
        Turn::Sleep { until: me.until }
    }

    fn leave(&mut self, clock: &Clock, effects: &mut Effects) -> Turn {
        self.workers -= 1;
        self.recruit(1, clock, effects);
        self.tell_drained(effects);
        Turn::Leave
    }

    /// Sends for workers, until `wanted` are on their way.
    pub(super) fn recruit(&mut self, wanted: usize, clock: &Clock, effects: &mut Effects) {
        let wanted = wanted.min(self.backlog.len());
        while self.searching < wanted {
            if let Some(seat) = self.sleepers.pop() {
                seat.claim();
                effects.wake.push_back(seat);
            } else if self.may_grow(clock) {
                self.workers += 1;
                effects.start += 1;
            } else {
                break;
            }
            self.searching += 1;
        }
        if self.searching == 0 {
            self.set_alarm(effects);
        }
    }

    /// With a worker idle before it is needed, the next job waits for a wake-up and not for the
    /// start of a thread.
    fn keep_a_spare(&mut self, clock: &Clock, effects: &mut Effects) {
        let is_short = self.searching == 0 && self.sleepers.is_empty() && self.backlog.is_empty();
        if is_short && self.settings.keeps_spare() && !self.is_closed && self.may_grow(clock) {
            self.workers += 1;
            self.searching += 1;
            effects.start += 1;
        }
    }

    /// Counts a worker that is to be started, if there are fewer than the least.
    pub(super) const fn is_short(&mut self) -> bool {
        let is_short = self.workers < self.settings.min && !self.is_closed;
        if is_short {
            self.workers += 1;
            self.searching += 1;
        }
        is_short
    }

    fn may_grow(&self, clock: &Clock) -> bool {
        if self.workers >= self.settings.max {
            return false;
        }
        if self.workers == 0 {
            return true;
        }
        (self.retry_at == 0 || self.retry_at <= clock.now())
            && self.settings.wants_more(self.backlog.oldest(), clock)
    }

    /// A thread was refused: nobody is on the way after all.
    pub(super) fn refused(&mut self, clock: &Clock) {
        self.workers -= 1;
        self.searching -= 1;
        self.retry_at = clock.now().saturating_add(REFUSED_NANOS);
    }

    /// Whether to time the job that comes now.
    fn stamp(&self, clock: &Clock) -> (Nanos, u32) {
        if self.settings.times_each() || self.backlog.is_empty() {
            return (clock.now(), 1);
        }
        if self.backlog.added().is_multiple_of(u64::from(TIMED_EVERY)) {
            return (clock.now(), TIMED_EVERY);
        }
        (0, 0)
    }

    /// Cancels what has waited past its deadline.
    pub(super) fn expire(&mut self, clock: &Clock, effects: &mut Effects) {
        if !self.backlog.has_deadlines() {
            return;
        }
        let now = clock.now();
        while let Some(job) = self.backlog.expired(now) {
            effects.cancel.push((job, CancelReason::DeadlineExceeded));
        }
        self.pass_on_room(effects);
    }

    /// Takes a job out of the middle: it was cancelled, or is run elsewhere.
    pub(super) fn remove(&mut self, key: Key, effects: &mut Effects) -> bool {
        let is_removed = self.backlog.remove(key).is_some();
        self.pass_on_room(effects);
        self.tell_drained(effects);
        is_removed
    }

    /// Tells the next submission that waits, unless one that was told is still to come.
    pub(super) fn pass_on_room(&mut self, effects: &mut Effects) {
        if self.notified == 0 && !self.waiters.is_empty() && self.has_room() {
            self.notified = 1;
            effects.room_for = self.waiters.pop_front();
        }
    }

    /// A submission that was told has come.
    pub(super) const fn was_notified(&mut self) {
        self.notified = self.notified.saturating_sub(1);
    }

    /// The moment at which something is to be done though nobody comes: a deadline passes, the
    /// oldest job has waited for so long that a worker is to be started, a drain is over.
    pub(super) fn alarm(&mut self) -> Nanos {
        let deadline = self.backlog.earliest();
        let growth = if self.workers < self.settings.max && !self.backlog.is_empty() {
            self.settings.grows_at(self.backlog.oldest())
        } else {
            NEVER
        };
        deadline.min(growth).min(self.drain_until)
    }

    pub(super) fn set_alarm(&mut self, effects: &mut Effects) {
        if !self.backlog.has_deadlines() && !self.settings.times_each() && self.drain_until == NEVER
        {
            return;
        }
        if self.alarm() < self.keeper.unwrap_or(NEVER) {
            effects.ring = true;
        }
    }

    /// Sends all sleepers on their way, so that each sees what has changed.
    pub(super) fn rouse(&mut self, effects: &mut Effects) {
        for seat in self.sleepers.drain(..) {
            seat.claim();
            self.searching += 1;
            effects.wake.push_back(seat);
        }
    }

    pub(super) fn close(&mut self, effects: &mut Effects) -> Vec<Waker> {
        self.is_closed = true;
        self.rouse(effects);
        // The timekeeper leaves.
        effects.ring = self.keeper.is_some();
        self.tell_drained(effects);
        std::iter::from_fn(|| self.waiters.pop_front()).collect()
    }

    pub(super) const fn is_drained(&self) -> bool {
        self.is_closed && self.backlog.is_empty() && self.busy == 0
    }

    /// Tells who drains that its time is over.
    pub(super) fn end_drain(&mut self, clock: &Clock, effects: &mut Effects) {
        if self.drain_until != NEVER && self.drain_until <= clock.now() {
            self.drain_until = NEVER;
            effects.drained.append(&mut self.drains);
        }
    }

    fn tell_drained(&mut self, effects: &mut Effects) {
        if self.is_drained() {
            effects.drained.append(&mut self.drains);
        }
    }

    /// Whether the invariant at the head of this file holds.
    #[cfg(all(test, not(model)))]
    pub(super) fn keeps_its_invariant(&self) -> bool {
        let may_be_started = self.workers < self.settings.max && self.retry_at == 0;
        let somebody_could_come = !self.sleepers.is_empty() || may_be_started;
        self.backlog.is_empty() || !somebody_could_come || self.searching > 0
    }
}
