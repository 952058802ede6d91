//! Who waits for a scope.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

use slab::Slab;
use tokio_util::sync::CancellationToken;

/// Wakers, each in a place that its owner knows.
#[derive(Default)]
pub(super) struct Waiters {
    /// Most scopes have no other, and none of them needs an allocation for it.
    first: Option<Waiter>,
    others: Slab<Waiter>,
}

/// One that has been woken keeps its place.
struct Waiter {
    waker: Option<Waker>,
}

/// The place of the first one. The others have those of the slab, which has no room for so many.
const FIRST: usize = usize::MAX;

impl Waiters {
    pub(super) fn get(&self, place: usize) -> Option<&Waker> {
        let waiter = match place {
            FIRST => self.first.as_ref(),
            place => self.others.get(place),
        };
        waiter.and_then(|waiter| waiter.waker.as_ref())
    }

    /// Takes down who is to be woken, in `place` if that is somebody's. Returns its place, and who
    /// was to be woken from there before.
    pub(super) fn put(&mut self, place: Option<usize>, waker: Waker) -> (usize, Option<Waker>) {
        let known = match place {
            Some(FIRST) => self.first.as_mut(),
            Some(place) => self.others.get_mut(place),
            None => None,
        };
        if let (Some(place), Some(waiter)) = (place, known) {
            return (place, waiter.waker.replace(waker));
        }
        let waiter = Waiter { waker: Some(waker) };
        if self.first.is_some() {
            return (self.others.insert(waiter), None);
        }
        self.first = Some(waiter);
        (FIRST, None)
    }

    /// Frees a place, and returns who was to be woken from it.
    pub(super) fn remove(&mut self, place: usize) -> Option<Waker> {
        let waiter = match place {
            FIRST => self.first.take(),
            place => self.others.try_remove(place),
        };
        waiter.and_then(|waiter| waiter.waker)
    }

    /// All who are to be woken. They keep their places.
    pub(super) fn take_wakers(&mut self) -> Vec<Waker> {
        let others = self.others.iter_mut().map(|(_, waiter)| waiter);
        let waiters = self.first.iter_mut().chain(others);
        waiters.filter_map(|waiter| waiter.waker.take()).collect()
    }
}

/// Whom scopes that are over have to wake.
#[derive(Default)]
pub(super) struct ToWake {
    /// The only one, as a rule, and then there is no allocation.
    first: Option<Waker>,
    alone: Vec<Waker>,
    crowds: Vec<Slab<Waiter>>,
    tokens: Vec<CancellationToken>,
}

impl ToWake {
    /// Takes over whom a scope has to wake.
    pub(super) fn take(&mut self, waiters: &mut Waiters, token: &mut Option<CancellationToken>) {
        let first = waiters.first.take().and_then(|waiter| waiter.waker);
        if self.first.is_none() {
            self.first = first;
        } else {
            self.alone.extend(first);
        }
        if !waiters.others.is_empty() {
            self.crowds.push(mem::take(&mut waiters.others));
        }
        self.tokens.extend(token.take());
    }

    pub(super) fn wake(self) {
        let crowds = self.crowds.into_iter().flatten();
        let wakers = crowds.filter_map(|(_, waiter)| waiter.waker);
        let wakers = self.first.into_iter().chain(self.alone).chain(wakers);
        let mut panic = None;
        for token in self.tokens {
            keep_first(&mut panic, || token.cancel());
        }
        keep_first(&mut panic, || wake_each(wakers));
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    }
}

/// Wakes all of them. A waker is foreign code: one that panics keeps nobody else asleep, and its panic
/// goes on when all are awake.
pub(super) fn wake_each(wakers: impl IntoIterator<Item = Waker>) {
    let mut panic = None;
    for waker in wakers {
        keep_first(&mut panic, || waker.wake());
    }
    if let Some(payload) = panic {
        resume_unwind(payload);
    }
}

fn keep_first(panic: &mut Option<Box<dyn Any + Send>>, act: impl FnOnce()) {
    let payload = catch_unwind(AssertUnwindSafe(act)).err();
    if panic.is_none() {
        *panic = payload;
    } else {
        // To drop it is foreign code too.
        mem::forget(payload);
    }
}
