//! Where it is decided who gets what: both locks, of the state and of the inbox.
//!
//! It starts no thread, wakes nobody and runs no code of the caller: it says in [`Effects`] what is
//! to be done once the locks are released.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use super::inbox::{Entry, Inbox};
use super::seat::{Phase, Worker};
use super::state::{Effects, Refusal, State, Turn};
use crate::Window;
use crate::clock::{Clock, NEVER, Nanos};
use crate::job::{CancelReason, Job};
use crate::queue::Key;
use crate::sync::MutexGuard;

/// How many others a worker sends for before it begins, so that a burst spreads in steps of two.
const RECRUITS: usize = 2;

/// How long no thread is started after the system has refused one.
const REFUSED_NANOS: Nanos = 10_000_000;

/// Both locks. Whoever leaves the desk says in the inbox how many jobs may come in without it.
pub(crate) struct Desk<'a> {
    state: MutexGuard<'a, State>,
    pub(super) inbox: MutexGuard<'a, Inbox>,
    pub(super) clock: &'a Clock,
    pub(super) effects: &'a mut Effects,
}

impl Deref for Desk<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Desk<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Drop for Desk<'_> {
    fn drop(&mut self) {
        let needs_the_desk = self.is_closed
            || self.has_to_recruit()
            || self.settings.times_each()
            || self.is_controlled;
        self.inbox.room = if needs_the_desk { 0 } else { self.room() };
    }
}

impl<'a> Desk<'a> {
    /// The lock of the state is always taken first.
    pub(super) const fn new(
        state: MutexGuard<'a, State>,
        inbox: MutexGuard<'a, Inbox>,
        clock: &'a Clock,
        effects: &'a mut Effects,
    ) -> Self {
        Self {
            state,
            inbox,
            clock,
            effects,
        }
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> usize {
        self.outbox.len() + self.inbox.jobs.len()
    }

    pub(super) fn room(&self) -> usize {
        self.settings.queue.saturating_sub(self.waiting())
    }

    pub(super) fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// Takes a job that was [admitted](Self::admit).
    pub(super) fn push(&mut self, job: Job, deadline: Nanos) -> Key {
        let (enqueued, weight) = self.stamp();
        let key = self.inbox.enter(Entry {
            job,
            enqueued,
            weight,
        });
        if deadline != NEVER {
            self.inbox.jobs.expire_at(deadline, key);
        }
        self.recruit(1);
        self.pass_on_room();
        key
    }

    /// Cancels the oldest job, so that there is room.
    pub(super) fn discard_oldest(&mut self) {
        let oldest = self.pop().map(|it| (it.job, CancelReason::Discarded));
        self.effects.cancel.extend(oldest);
    }

    /// Whether a job may come in, which is then [pushed](Self::push).
    pub(super) fn admit(&mut self, deadline: Nanos) -> Result<(), Refusal> {
        if self.is_closed {
            return Err(Refusal::Closed);
        }
        if deadline != NEVER && deadline <= self.clock.now() {
            return Err(Refusal::TooLate);
        }
        if self.has_room() {
            return Ok(());
        }
        self.expire();
        if self.has_room() {
            return Ok(());
        }
        Err(Refusal::Full)
    }

    /// When the job came that comes now, and for how many it stands.
    fn stamp(&self) -> (Nanos, u32) {
        if self.settings.times_each() || self.waiting() == 0 {
            return (self.clock.now(), 1);
        }
        self.inbox.sample(self.clock)
    }

    /// Takes the oldest job.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        if self.outbox.is_empty() {
            mem::swap(&mut self.state.outbox, &mut self.inbox.jobs);
        }
        self.outbox.pop()
    }

    /// Takes a job out of the middle: it was cancelled, or is run elsewhere.
    pub(super) fn remove(&mut self, key: Key) -> Option<Entry> {
        let from_inbox = self.inbox.jobs.remove(key);
        let removed = from_inbox.or_else(|| self.outbox.remove(key));
        self.pass_on_room();
        self.tell_drained();
        removed
    }

    /// Cancels what has waited past its deadline.
    pub(super) fn expire(&mut self) {
        if !self.outbox.has_deadlines() && !self.inbox.jobs.has_deadlines() {
            return;
        }
        let now = self.clock.now();
        for backlog in [&mut self.state.outbox, &mut self.inbox.jobs] {
            while let Some(entry) = backlog.expired(now) {
                let cancelled = (entry.job, CancelReason::DeadlineExceeded);
                self.effects.cancel.push(cancelled);
            }
        }
        self.pass_on_room();
    }

    /// The next thing for a worker to do.
    pub(super) fn turn(&mut self, me: &mut Worker) -> Turn {
        match me.phase {
            Phase::Busy => {
                self.busy -= 1;
                self.tell_drained();
            }
            Phase::Asleep if !me.seat.was_claimed() => return self.oversleep(me),
            Phase::Starting | Phase::Looking | Phase::Asleep => self.searching -= 1,
        }
        if self.workers > self.most() {
            return self.leave();
        }
        self.expire();
        let Some(entry) = self.pop() else {
            return self.rest(me);
        };
        self.busy += 1;
        me.phase = Phase::Busy;
        self.recruit(RECRUITS);
        self.keep_a_spare();
        self.pass_on_room();
        Turn::Run(entry)
    }

    /// The lock was free long enough for somebody to claim the sleeper: only if nobody has, it may
    /// go.
    fn oversleep(&mut self, me: &mut Worker) -> Turn {
        if self.clock.now() < me.until {
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

    fn rest(&mut self, me: &mut Worker) -> Turn {
        if self.is_closed {
            return self.leave();
        }
        if self.searching == 0 && me.phase != Phase::Looking {
            // While it looks, who submits need not wake anybody.
            me.phase = Phase::Looking;
            self.searching += 1;
            return Turn::Look {
                since: self.inbox.accepted(),
            };
        }
        me.until = if self.workers > self.settings.min {
            let now = self.clock.now();
            now.saturating_add(self.settings.idle_timeout)
        } else {
            NEVER
        };
        me.phase = Phase::Asleep;
        self.sleepers.push(Arc::clone(&me.seat));
        Turn::Sleep { until: me.until }
    }

    fn leave(&mut self) -> Turn {
        self.workers -= 1;
        self.recruit(1);
        self.tell_drained();
        Turn::Leave
    }

    /// Sends for workers, until `wanted` are on their way.
    pub(super) fn recruit(&mut self, wanted: usize) {
        let wanted = wanted.min(self.waiting());
        while self.searching < wanted {
            if let Some(seat) = self.sleepers.pop() {
                seat.claim();
                self.effects.wake.push_back(seat);
            } else if self.may_grow() {
                self.workers += 1;
                self.effects.start += 1;
            } else {
                break;
            }
            self.searching += 1;
        }
        if self.searching == 0 {
            self.set_alarm();
        }
    }

    /// With a worker idle before it is needed, the next job waits for a wake-up and not for the
    /// start of a thread.
    fn keep_a_spare(&mut self) {
        let is_short = self.searching == 0 && self.sleepers.is_empty() && self.waiting() == 0;
        if is_short && self.settings.keeps_spare() && !self.is_closed && self.may_grow() {
            self.workers += 1;
            self.searching += 1;
            self.effects.start += 1;
        }
    }

    fn may_grow(&self) -> bool {
        if self.workers >= self.most() {
            return false;
        }
        if self.workers == 0 {
            return true;
        }
        (self.retry_at == 0 || self.retry_at <= self.clock.now())
            && self.settings.wants_more(self.oldest(), self.clock)
    }

    /// When the oldest job came: zero if it is not timed, or if there is none.
    fn oldest(&self) -> Nanos {
        let oldest = self.outbox.front().or_else(|| self.inbox.jobs.front());
        oldest.map_or(0, |entry| entry.enqueued)
    }

    /// A thread was refused: nobody is on the way after all.
    pub(super) fn refused(&mut self) {
        self.workers -= 1;
        self.searching -= 1;
        self.retry_at = self.clock.now().saturating_add(REFUSED_NANOS);
    }

    /// Tells the next submission that waits, unless one that was told is still to come.
    pub(super) fn pass_on_room(&mut self) {
        if self.notified == 0 && !self.waiters.is_empty() && self.has_room() {
            self.notified = 1;
            self.effects.room_for = self.waiters.pop_front();
        }
    }

    /// The moment at which something is to be done though nobody comes: a deadline passes, the
    /// oldest job has waited for so long that a worker is to be started, a drain is over.
    pub(super) fn alarm(&mut self) -> Nanos {
        let outbox = self.outbox.earliest().unwrap_or(NEVER);
        let inbox = self.inbox.jobs.earliest().unwrap_or(NEVER);
        let growth = if self.workers < self.most() {
            self.settings.grows_at(self.oldest())
        } else {
            NEVER
        };
        let deadline = outbox.min(inbox);
        deadline.min(growth).min(self.drain_until).min(self.ask_at)
    }

    pub(super) fn set_alarm(&mut self) {
        let has_deadlines = self.outbox.has_deadlines() || self.inbox.jobs.has_deadlines();
        let has_dates = self.drain_until != NEVER || self.ask_at != NEVER;
        if !has_deadlines && !self.settings.times_each() && !has_dates {
            return;
        }
        if self.alarm() < self.keeper.unwrap_or(NEVER) {
            self.effects.ring = true;
        }
    }

    /// What a controller is to know, but for what has ended.
    pub(super) fn window(&self) -> Window {
        let waited = match self.oldest() {
            0 => 0,
            oldest => self.clock.now().saturating_sub(oldest),
        };
        Window {
            workers: self.workers,
            busy: self.busy,
            queued: self.waiting(),
            oldest: Duration::from_nanos(waited),
            limit: self.most(),
            ..Window::default()
        }
    }

    /// Does what a controller has said.
    pub(super) fn obey(&mut self, limit: usize, ask_at: Nanos) {
        let before = self.most();
        self.limit = limit;
        self.ask_at = if self.is_closed { NEVER } else { ask_at };
        if self.workers > self.most() {
            self.rouse();
        } else if self.most() > before {
            self.recruit(RECRUITS);
        }
        self.set_alarm();
    }

    /// Sends all sleepers on their way, so that each sees what has changed.
    pub(super) fn rouse(&mut self) {
        for seat in mem::take(&mut self.sleepers) {
            seat.claim();
            self.searching += 1;
            self.effects.wake.push_back(seat);
        }
    }

    pub(super) fn close(&mut self) {
        self.is_closed = true;
        self.ask_at = NEVER;
        self.rouse();
        // The timekeeper leaves.
        self.effects.ring = self.keeper.is_some();
        self.tell_drained();
    }

    pub(super) fn is_drained(&self) -> bool {
        self.is_closed && self.waiting() == 0 && self.busy == 0
    }

    /// Tells who drains that its time is over.
    pub(super) fn end_drain(&mut self) {
        if self.drain_until != NEVER && self.drain_until <= self.clock.now() {
            self.drain_until = NEVER;
            self.effects.drained.append(&mut self.state.drains);
        }
    }

    fn tell_drained(&mut self) {
        if self.is_drained() {
            self.effects.drained.append(&mut self.state.drains);
        }
    }

    /// Whether the invariant of the state holds, and nobody can overlook that somebody is needed.
    #[cfg(all(test, not(model)))]
    pub(super) fn keeps_its_invariant(&self) -> bool {
        let may_be_started = self.workers < self.most() && self.retry_at == 0;
        let somebody_could_come = !self.sleepers.is_empty() || may_be_started;
        self.waiting() == 0 || !somebody_could_come || self.searching > 0
    }
}
