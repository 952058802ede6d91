//! A scope: what can end, by its own, by its deadline, or with its parent.
//!
//! A child holds its parent. A parent knows a child only once somebody waits under it, or if it is
//! deep: until then the child looks up. So there are three states. `ALONE`: ask the parent too.
//! `LINKED`: the parent, and all above it, tell what happens. `OVER`: the outcome is readable.
//!
//! Invariants:
//! - A lock is never held while another one is taken, while foreign code runs (wakers, causes), or
//!   while something foreign is dropped.
//! - The outcome is written once, before the state says `OVER`.
//! - A scope that is over has a list of its children for as long as one of them may not be: whoever
//!   comes across it then ends them too, and does not go on before all are over.
//! - A scope becomes `LINKED` under its parent's lock, after the parent has, and is in its list.
//! - A scope that owns its deadline has an earlier one than its parent.

use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;

use slab::Slab;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::timer::Alarm;
use super::waiters::{ToWake, Waiters, wake_each};
use crate::Done;
use crate::done::Cause;
use crate::sync::{AtomicBool, AtomicU8, AtomicUsize, Mutex, MutexGuard, Ordering, lock};

const ALONE: u8 = 0;
const LINKED: u8 = 1;
const OVER: u8 = 2;

/// A scope at each such depth is linked when it is made, so that a look up is as short as this.
const LOOK_UP_MAX: u32 = 4;

const NO_PLACE: usize = usize::MAX;

pub(crate) struct Scope {
    state: AtomicU8,
    /// Whether there is a timer for the deadline, if it is this scope's own.
    pub(super) is_armed: AtomicBool,
    depth: u32,
    /// In the parent's list.
    place: AtomicUsize,
    deadline: Option<Instant>,
    /// Whether the deadline is not the parent's, and what to name if it ends this scope.
    owns_deadline: bool,
    deadline_cause: Option<Cause>,
    parent: Option<Arc<Scope>>,
    /// Made when there is something to be kept in it: most scopes are dropped before.
    hub: OnceLock<Box<Mutex<Hub>>>,
}

#[derive(Default)]
struct Hub {
    outcome: Option<Outcome>,
    /// Who has to end with it, while they are being ended.
    below: Option<Arc<Children>>,
    /// Empty from the outcome on.
    open: Open,
}

type Children = Slab<Weak<Scope>>;

/// Whom and what a scope that is not over has to tell.
#[derive(Default)]
struct Open {
    waiters: Waiters,
    children: Children,
    timer: Option<Alarm>,
    foreign: Option<Alarm>,
    token: Option<CancellationToken>,
}

#[derive(Clone)]
struct Outcome {
    done: Done,
    at: Instant,
}

impl Scope {
    pub(super) fn cancellable(parent: Option<Arc<Self>>) -> Arc<Self> {
        let deadline = parent.as_ref().and_then(|parent| parent.deadline);
        Self::new(parent, deadline, false, None)
    }

    /// The deadline is earlier than the parent's.
    pub(super) fn ending_at(
        parent: Option<Arc<Self>>,
        deadline: Instant,
        cause: Option<Cause>,
    ) -> Arc<Self> {
        Self::new(parent, Some(deadline), true, cause)
    }

    fn new(
        parent: Option<Arc<Self>>,
        deadline: Option<Instant>,
        owns_deadline: bool,
        deadline_cause: Option<Cause>,
    ) -> Arc<Self> {
        let depth = parent
            .as_ref()
            .map_or(0, |parent| parent.depth.wrapping_add(1));
        let scope = Arc::new(Self {
            state: AtomicU8::new(if parent.is_none() { LINKED } else { ALONE }),
            is_armed: AtomicBool::new(false),
            depth,
            place: AtomicUsize::new(NO_PLACE),
            deadline,
            owns_deadline,
            deadline_cause,
            parent,
            hub: OnceLock::new(),
        });
        if depth % LOOK_UP_MAX == LOOK_UP_MAX - 1 {
            scope.link();
        }
        scope
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The nearest scope whose own the deadline is.
    pub(super) fn deadline_owner(self: &Arc<Self>) -> Option<&Arc<Self>> {
        self.deadline?;
        let mut scope = self;
        while !scope.owns_deadline {
            scope = scope.parent.as_ref()?;
        }
        Some(scope)
    }

    /// Whether it is known to be over; a deadline that nobody has noticed is not.
    pub(super) fn is_over(&self) -> bool {
        let mut scope = self;
        loop {
            // ORDERING: Acquire, with the Release in `end`: who sees `OVER` can read the outcome.
            match scope.state.load(Ordering::Acquire) {
                OVER => return true,
                LINKED => return false,
                _ => {}
            }
            let Some(parent) = scope.parent.as_deref() else {
                return false;
            };
            scope = parent;
        }
    }

    /// Whether a scope above is over, also if this one was not told of it yet.
    fn has_ended_above(&self) -> bool {
        let mut scope = self.parent.as_deref();
        while let Some(parent) = scope {
            // ORDERING: Acquire, see `is_over`.
            if parent.state.load(Ordering::Acquire) == OVER {
                return true;
            }
            scope = parent.parent.as_deref();
        }
        false
    }

    pub(super) fn check(&self) -> Result<(), Done> {
        let now = if self.is_over() {
            None
        } else {
            let Some(deadline) = self.deadline else {
                return Ok(());
            };
            let now = Instant::now();
            if now < deadline && !self.has_ended_above() {
                return Ok(());
            }
            Some(now)
        };
        self.settle(now).map_or(Ok(()), Err)
    }

    /// What has ended this scope, if something has: the first of what has ended a scope above it,
    /// and of its deadline, if that has passed `now`. From then on it is written down here.
    pub(super) fn settle(&self, now: Option<Instant>) -> Option<Done> {
        let (above, owner) = self.nearest_outcome();
        let latest = above.as_ref().map(|outcome| outcome.at).or(now);
        let is_due = latest.is_some_and(|latest| self.deadline.is_some_and(|at| at <= latest));
        let outcome = match owner.filter(|_| is_due) {
            Some(owner) => {
                let outcome = owner.deadline_passed()?;
                owner.finish(&outcome);
                outcome
            }
            None => above?,
        };
        self.finish(&outcome);
        self.outcome().map(|outcome| outcome.done)
    }

    /// The nearest outcome at or above this scope, and the owner of the deadline if it is nearer.
    fn nearest_outcome(&self) -> (Option<Outcome>, Option<&Self>) {
        let (mut scope, mut owner) = (self, None);
        loop {
            let outcome = scope.outcome();
            if outcome.is_some() {
                return (outcome, owner);
            }
            if owner.is_none() && scope.owns_deadline {
                owner = Some(scope);
            }
            match scope.parent.as_deref() {
                Some(parent) => scope = parent,
                None => return (None, owner),
            }
        }
    }

    fn outcome(&self) -> Option<Outcome> {
        // ORDERING: Acquire, see `is_over`.
        if self.state.load(Ordering::Acquire) != OVER {
            return None;
        }
        self.hub().outcome.clone()
    }

    fn hub(&self) -> MutexGuard<'_, Hub> {
        lock(self.hub.get_or_init(Box::default))
    }

    fn deadline_passed(&self) -> Option<Outcome> {
        let at = self.deadline.filter(|_| self.owns_deadline)?;
        let done = Done::timeout(self.deadline_cause.clone());
        Some(Outcome { done, at })
    }

    pub(super) fn cancel(&self, cause: Option<Cause>) {
        let at = Instant::now();
        if self.settle(Some(at)).is_none() {
            let done = Done::cancelled(cause);
            self.finish(&Outcome { done, at });
        }
    }

    /// Ends this scope and all linked ones below it, unless they are over, and then wakes all who
    /// wait: who is woken finds each of them over, and so does who comes back from here.
    fn finish(&self, outcome: &Outcome) {
        let mut to_wake = ToWake::default();
        if let Some(below) = self.end(outcome.clone(), &mut to_wake) {
            Self::end_all(below, &mut to_wake);
            self.forget_children();
        }
        to_wake.wake();
    }

    /// Ends what is below a scope that is over.
    fn end_all(below: (Arc<Children>, Outcome), to_wake: &mut ToWake) {
        let mut ended = Vec::new();
        // Not by recursion: a chain may be longer than the stack.
        let mut generations = vec![below];
        while let Some((children, outcome)) = generations.pop() {
            for child in children.iter().filter_map(|(_, child)| child.upgrade()) {
                let outcome = child.inherited(&outcome);
                if let Some(below) = child.end(outcome, to_wake) {
                    generations.push(below);
                    ended.push(child);
                }
            }
        }
        for scope in ended {
            scope.forget_children();
        }
    }

    /// Its own deadline, if that came before what its parent has ended with.
    fn inherited(&self, outcome: &Outcome) -> Outcome {
        let is_earlier = self.deadline.is_some_and(|at| at <= outcome.at);
        let own = self.deadline_passed().filter(|_| is_earlier);
        own.unwrap_or_else(|| outcome.clone())
    }

    /// Ends this one scope, unless it is over, and takes down whom it has to wake. Returns its
    /// children, if one of them may not be over, and what they are to end with.
    fn end(&self, outcome: Outcome, to_wake: &mut ToWake) -> Option<(Arc<Children>, Outcome)> {
        let mut hub = self.hub();
        if let Some(outcome) = &hub.outcome {
            let below = hub.below.clone()?;
            return Some((below, outcome.clone()));
        }
        let open = &mut hub.open;
        to_wake.take(&mut open.waiters, &mut open.token);
        // Dropped below, when the lock is not held any more.
        let _alarms = (open.timer.take(), open.foreign.take());
        if !open.children.is_empty() {
            hub.below = Some(Arc::new(std::mem::take(&mut hub.open.children)));
        }
        let below = hub.below.clone().map(|below| (below, outcome.clone()));
        hub.outcome = Some(outcome);
        // ORDERING: Release, with the Acquire in `is_over`: the outcome is written.
        self.state.store(OVER, Ordering::Release);
        drop(hub);
        below
    }

    /// All who were below are over.
    fn forget_children(&self) {
        let below = self.hub().below.take();
        drop(below);
    }

    /// Makes sure that what ends a scope above this one is told to this one.
    pub(super) fn link(self: &Arc<Self>) {
        // ORDERING: Acquire, see `is_over`.
        if self.state.load(Ordering::Acquire) != ALONE {
            return;
        }
        let Some(parent) = &self.parent else { return };
        // No deeper than `LOOK_UP_MAX`: one of so many was linked when it was made.
        parent.link();
        if let Some(outcome) = self.link_to(parent) {
            self.finish(&self.inherited(&outcome));
        }
    }

    /// What has ended the parent, if it is over.
    fn link_to(self: &Arc<Self>, parent: &Self) -> Option<Outcome> {
        let mut hub = parent.hub();
        if hub.outcome.is_some() {
            return hub.outcome.clone();
        }
        // ORDERING: Relaxed. It is set under this lock only, and read under it or by the last owner.
        if self.place.load(Ordering::Relaxed) == NO_PLACE {
            let place = hub.open.children.insert(Arc::downgrade(self));
            self.place.store(place, Ordering::Relaxed);
        }
        // ORDERING: AcqRel, so that who sees `LINKED` knows the list to hold it. A scope that is
        // over stays so.
        let _ = self
            .state
            .compare_exchange(ALONE, LINKED, Ordering::AcqRel, Ordering::Relaxed);
        None
    }

    /// Takes down who is to be woken, under the `place` of before. None if it is over.
    pub(super) fn enrol(&self, place: Option<usize>, waker: &Waker) -> Option<usize> {
        if let Some(place) = place {
            let hub = self.hub();
            let known = hub.open.waiters.get(place);
            if known.is_some_and(|known| known.will_wake(waker)) {
                return Some(place);
            }
        }
        // Cloned before the lock is taken and dropped after: a waker is foreign code.
        let waker = waker.clone();
        let mut hub = self.hub();
        if hub.outcome.is_some() {
            return None;
        }
        let (place, before) = hub.open.waiters.put(place, waker);
        drop(hub);
        drop(before);
        Some(place)
    }

    pub(super) fn leave(&self, place: usize) {
        let mut hub = self.hub();
        let waker = hub.open.waiters.remove(place);
        drop(hub);
        drop(waker);
    }

    /// Wakes all who wait, so that they look again.
    pub(super) fn rouse(&self) {
        let waiters = self.hub().open.waiters.take_wakers();
        wake_each(waiters);
    }

    pub(super) fn keep_timer(&self, timer: Alarm) {
        self.keep(timer, |open| &mut open.timer);
    }

    pub(super) fn keep_foreign(&self, foreign: Alarm) {
        self.keep(foreign, |open| &mut open.foreign);
    }

    /// Keeps an alarm for as long as there is something left to end. The one before is of no use.
    fn keep(&self, alarm: Alarm, slot: impl FnOnce(&mut Open) -> &mut Option<Alarm>) {
        let mut hub = self.hub();
        let useless = if hub.outcome.is_some() {
            Some(alarm)
        } else {
            slot(&mut hub.open).replace(alarm)
        };
        drop(hub);
        drop(useless);
    }

    /// A token that is cancelled when this ends, if it has not ended.
    pub(super) fn token(&self) -> Option<CancellationToken> {
        let mut hub = self.hub();
        if hub.outcome.is_some() {
            return None;
        }
        Some(hub.open.token.get_or_insert_default().clone())
    }

    #[cfg(all(test, model))]
    pub(super) fn children(&self) -> usize {
        self.hub().open.children.len()
    }

    /// Takes this scope out of its parent's list.
    fn unlink(&mut self) -> Option<Arc<Self>> {
        let parent = self.parent.take()?;
        // ORDERING: Relaxed. This is the last owner.
        let place = self.place.load(Ordering::Relaxed);
        if place != NO_PLACE {
            let mut hub = parent.hub();
            let link = hub.open.children.try_remove(place);
            drop(hub);
            drop(link);
        }
        Some(parent)
    }
}

impl Drop for Scope {
    /// In a loop: a long chain that drops its links one inside the other would end the stack.
    fn drop(&mut self) {
        let mut parent = self.unlink();
        while let Some(scope) = parent {
            parent = Arc::into_inner(scope).and_then(|mut scope| scope.unlink());
        }
    }
}
