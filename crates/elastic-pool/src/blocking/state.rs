//! What a pool knows: what waits, who sleeps, who runs. What is decided from it is decided at the
//! [`Desk`](super::desk::Desk).
//!
//! The invariant, from which follows that no job is stranded: *while a job waits and a worker
//! sleeps or may be started, somebody is on the way to fetch it* (`searching` is not zero). A
//! submission makes it true, claiming a sleeper under the locks that it pushes under, so that no
//! two submissions count the same one. Who fetches a job makes it true again before it runs the
//! job. A worker leaves only under both locks, and only if nothing waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use super::inbox::{Entry, Jobs};
use super::seat::{Phase, Seat, Worker};
use super::settings::Settings;
use crate::clock::{NEVER, Nanos};
use crate::job::{CancelReason, Job};
use crate::queue::Queue;
use crate::sync::Parker;

pub(crate) struct State {
    pub(super) settings: Settings,
    /// What workers fetch. What is submitted lies in the inbox until this is empty.
    pub(super) outbox: Jobs,
    /// The one that fell asleep last is woken first, so that the others can time out.
    pub(super) sleepers: Vec<Arc<Seat>>,
    /// All threads, also those that are being started.
    pub(super) workers: usize,
    pub(super) busy: usize,
    /// Woken, being started or still looking, and not yet here to fetch a job.
    pub(super) searching: usize,
    pub(super) is_closed: bool,
    /// Submissions that wait for room. Who finds room is told one at a time.
    pub(super) waiters: Queue<Waker>,
    pub(super) notified: usize,
    /// What the controller has said: the maximum without one.
    pub(super) limit: usize,
    /// When it wants to be asked.
    pub(super) ask_at: Nanos,
    pub(super) is_controlled: bool,
    pub(super) retry_at: Nanos,
    /// What the timekeeper sleeps until. `None` without one.
    pub(super) keeper: Option<Nanos>,
    pub(super) keeper_parker: Option<Arc<Parker>>,
    pub(super) drains: Vec<Waker>,
    pub(super) drain_until: Nanos,
}

/// What is to be done after the locks are released.
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
    /// Nothing is here, but may come at once: it came so far `since`.
    Look {
        since: u64,
    },
    Sleep {
        until: Nanos,
    },
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
    pub(super) fn new(settings: Settings, is_controlled: bool) -> Self {
        Self {
            settings,
            outbox: Jobs::new(1),
            sleepers: Vec::new(),
            workers: 0,
            busy: 0,
            searching: 0,
            is_closed: false,
            waiters: Queue::new(0),
            notified: 0,
            limit: usize::MAX,
            ask_at: NEVER,
            is_controlled,
            retry_at: 0,
            keeper: None,
            keeper_parker: None,
            drains: Vec::new(),
            drain_until: NEVER,
        }
    }

    /// The next job for a worker that has just run one, if nobody else is concerned: nobody is to
    /// be sent for, nobody waits for room, and no job waits for its deadline.
    pub(super) fn next(&mut self, me: &Worker) -> Option<Entry> {
        let concerns_others = me.phase != Phase::Busy
            || self.has_to_recruit()
            || self.workers > self.most()
            || !self.waiters.is_empty()
            || self.outbox.has_deadlines();
        if concerns_others {
            return None;
        }
        self.outbox.pop()
    }

    /// It is time to ask the controller.
    pub(super) const fn is_to_ask(&mut self, now: Nanos) -> bool {
        let is_due = self.ask_at != NEVER && self.ask_at <= now;
        if is_due {
            self.ask_at = NEVER;
        }
        is_due
    }

    /// How many workers there may be.
    pub(super) fn most(&self) -> usize {
        let Settings { min, max, .. } = self.settings;
        self.limit.clamp(min.max(1), max)
    }

    /// Nobody is on the way, and somebody could come.
    pub(super) fn has_to_recruit(&self) -> bool {
        let could_come = !self.sleepers.is_empty() || self.workers < self.most();
        self.searching == 0 && could_come
    }

    /// A submission that was told has come.
    pub(super) const fn was_notified(&mut self) {
        self.notified = self.notified.saturating_sub(1);
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
}
