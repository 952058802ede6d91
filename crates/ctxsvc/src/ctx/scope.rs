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
//! - A scope becomes `LINKED` under its parent's lock, after the parent has, and is in its list.
//! - A scope that owns its deadline has an earlier one than its parent.

use std::sync::{Arc, Weak};
use std::task::Waker;

use slab::Slab;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::timer::Alarm;
use crate::Done;
use crate::done::Cause;
use crate::sync::{AtomicBool, AtomicU8, AtomicUsize, Mutex, Ordering, lock};

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
    parent: Option<Arc<Scope>>,
    own_deadline: Option<OwnDeadline>,
    hub: Mutex<Hub>,
}

/// The deadline is not the parent's.
struct OwnDeadline {
    cause: Option<Cause>,
}

#[derive(Default)]
struct Hub {
    outcome: Option<Outcome>,
    /// None has been woken and keeps its place.
    waiters: Slab<Option<Waker>>,
    children: Slab<Weak<Scope>>,
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
        Self::new(parent, deadline, None)
    }

    /// The deadline is earlier than the parent's.
    pub(super) fn ending_at(
        parent: Option<Arc<Self>>,
        deadline: Instant,
        cause: Option<Cause>,
    ) -> Arc<Self> {
        Self::new(parent, Some(deadline), Some(OwnDeadline { cause }))
    }

    fn new(
        parent: Option<Arc<Self>>,
        deadline: Option<Instant>,
        own_deadline: Option<OwnDeadline>,
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
            parent,
            own_deadline,
            hub: Mutex::default(),
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
        while scope.own_deadline.is_none() {
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

    pub(super) fn check(&self) -> Result<(), Done> {
        let outcome = if self.is_over() {
            self.settle(None)
        } else {
            self.deadline
                .and_then(|_| self.settle(Some(Instant::now())))
        };
        outcome.map_or(Ok(()), Err)
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
            if owner.is_none() && scope.own_deadline.is_some() {
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
        lock(&self.hub).outcome.clone()
    }

    fn deadline_passed(&self) -> Option<Outcome> {
        let cause = self.own_deadline.as_ref()?.cause.clone();
        let done = Done::timeout(cause);
        self.deadline.map(|at| Outcome { done, at })
    }

    pub(super) fn cancel(&self, cause: Option<Cause>) {
        let at = Instant::now();
        if self.settle(Some(at)).is_none() {
            let done = Done::cancelled(cause);
            self.finish(&Outcome { done, at });
        }
    }

    /// Ends this scope and all linked ones below it, unless they are over, and wakes all who wait.
    fn finish(&self, outcome: &Outcome) {
        let Some(children) = self.end(outcome) else {
            return;
        };
        // Not by recursion: a chain may be longer than the stack.
        let mut generations = vec![(children, outcome.clone())];
        while let Some((children, outcome)) = generations.pop() {
            let children = children
                .into_iter()
                .filter_map(|(_, child)| child.upgrade());
            for child in children {
                let outcome = child.inherited(&outcome);
                match child.end(&outcome) {
                    Some(children) if !children.is_empty() => generations.push((children, outcome)),
                    _ => {}
                }
            }
        }
    }

    /// Its own deadline, if that came before what its parent has ended with.
    fn inherited(&self, outcome: &Outcome) -> Outcome {
        let is_earlier = self.deadline.is_some_and(|at| at <= outcome.at);
        let own = self.deadline_passed().filter(|_| is_earlier);
        own.unwrap_or_else(|| outcome.clone())
    }

    /// Ends this one scope, wakes who waits for it, and returns its children. None if it was over.
    fn end(&self, outcome: &Outcome) -> Option<Slab<Weak<Self>>> {
        let outcome = outcome.clone();
        let left = {
            let mut hub = lock(&self.hub);
            if hub.outcome.is_some() {
                return None;
            }
            let empty = Hub {
                outcome: Some(outcome),
                ..Hub::default()
            };
            let left = std::mem::replace(&mut *hub, empty);
            // ORDERING: Release, with the Acquire in `is_over`: the outcome is written.
            self.state.store(OVER, Ordering::Release);
            left
        };
        if let Some(token) = left.token {
            token.cancel();
        }
        let waiters = left.waiters.into_iter().filter_map(|(_, waker)| waker);
        waiters.for_each(Waker::wake);
        Some(left.children)
    }

    /// Makes sure that what ends a scope above this one is told to this one.
    pub(super) fn link(self: &Arc<Self>) {
        let mut alone = Vec::new();
        let mut scope = self;
        // ORDERING: Acquire, see `is_over`.
        while scope.state.load(Ordering::Acquire) == ALONE {
            let Some(parent) = &scope.parent else { break };
            alone.push((scope, parent));
            scope = parent;
        }
        for (scope, parent) in alone.into_iter().rev() {
            if let Some(outcome) = scope.link_to(parent) {
                scope.finish(&scope.inherited(&outcome));
            }
        }
    }

    /// What has ended the parent, if it is over.
    fn link_to(self: &Arc<Self>, parent: &Self) -> Option<Outcome> {
        let mut hub = lock(&parent.hub);
        if hub.outcome.is_some() {
            return hub.outcome.clone();
        }
        // ORDERING: Relaxed. It is set under this lock only, and read under it or by the last owner.
        if self.place.load(Ordering::Relaxed) == NO_PLACE {
            let place = hub.children.insert(Arc::downgrade(self));
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
            let hub = lock(&self.hub);
            let known = hub.waiters.get(place).and_then(Option::as_ref);
            if known.is_some_and(|known| known.will_wake(waker)) {
                return Some(place);
            }
        }
        // Cloned before the lock is taken and dropped after: a waker is foreign code.
        let mut waker = Some(waker.clone());
        let mut hub = lock(&self.hub);
        if hub.outcome.is_some() {
            return None;
        }
        match place.and_then(|place| Some((place, hub.waiters.get_mut(place)?))) {
            Some((place, known)) => {
                std::mem::swap(known, &mut waker);
                drop(hub);
                Some(place)
            }
            None => Some(hub.waiters.insert(waker)),
        }
    }

    pub(super) fn leave(&self, place: usize) {
        let mut hub = lock(&self.hub);
        let waker = hub.waiters.try_remove(place);
        drop(hub);
        drop(waker);
    }

    /// Wakes all who wait, so that they look again.
    pub(super) fn rouse(&self) {
        let waiters: Vec<Waker> = {
            let mut hub = lock(&self.hub);
            hub.waiters
                .iter_mut()
                .filter_map(|(_, waker)| waker.take())
                .collect()
        };
        waiters.into_iter().for_each(Waker::wake);
    }

    pub(super) fn keep_timer(&self, timer: Alarm) {
        self.keep(timer, |hub| &mut hub.timer);
    }

    pub(super) fn keep_foreign(&self, foreign: Alarm) {
        self.keep(foreign, |hub| &mut hub.foreign);
    }

    /// Keeps an alarm for as long as there is something left to end. The one before is of no use.
    fn keep(&self, alarm: Alarm, slot: impl FnOnce(&mut Hub) -> &mut Option<Alarm>) {
        let mut hub = lock(&self.hub);
        let useless = if hub.outcome.is_some() {
            Some(alarm)
        } else {
            slot(&mut hub).replace(alarm)
        };
        drop(hub);
        drop(useless);
    }

    /// A token that is cancelled when this ends, if it has not ended.
    pub(super) fn token(&self) -> Option<CancellationToken> {
        let mut hub = lock(&self.hub);
        if hub.outcome.is_some() {
            return None;
        }
        Some(hub.token.get_or_insert_default().clone())
    }

    #[cfg(all(test, model))]
    pub(super) fn children(&self) -> usize {
        lock(&self.hub).children.len()
    }

    /// Takes this scope out of its parent's list.
    fn unlink(&mut self) -> Option<Arc<Self>> {
        let parent = self.parent.take()?;
        // ORDERING: Relaxed. This is the last owner.
        let place = self.place.load(Ordering::Relaxed);
        if place != NO_PLACE {
            let mut hub = lock(&parent.hub);
            let link = hub.children.try_remove(place);
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
