//! Who waits for a scope.

use std::task::Waker;

use slab::Slab;

/// Wakers, each in a place that its owner knows. One that has been woken keeps its place.
#[derive(Default)]
pub(super) struct Waiters {
    /// Most scopes have no other, and none of them needs an allocation for it.
    first: Option<Option<Waker>>,
    others: Slab<Option<Waker>>,
}

/// The place of the first one. The others have those of the slab, which has no room for so many.
const FIRST: usize = usize::MAX;

impl Waiters {
    /// Takes down who is to be woken, and returns its place.
    pub(super) fn insert(&mut self, waker: Option<Waker>) -> usize {
        if self.first.is_some() {
            return self.others.insert(waker);
        }
        self.first = Some(waker);
        FIRST
    }

    pub(super) fn get(&self, place: usize) -> Option<&Waker> {
        let waiter = match place {
            FIRST => self.first.as_ref(),
            place => self.others.get(place),
        };
        waiter.and_then(Option::as_ref)
    }

    /// None if nobody has this place.
    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Option<Waker>> {
        match place {
            FIRST => self.first.as_mut(),
            place => self.others.get_mut(place),
        }
    }

    /// Frees a place, and returns whoever had it and was not woken.
    pub(super) fn remove(&mut self, place: usize) -> Option<Waker> {
        let waiter = match place {
            FIRST => self.first.take(),
            place => self.others.try_remove(place),
        };
        waiter.flatten()
    }

    /// All who are to be woken. They keep their places.
    pub(super) fn take_wakers(&mut self) -> Vec<Waker> {
        let others = self.others.iter_mut().map(|(_, waiter)| waiter);
        let waiters = self.first.iter_mut().chain(others);
        waiters.filter_map(Option::take).collect()
    }

    pub(super) fn wake_all(self) {
        let others = self.others.into_iter().map(|(_, waiter)| waiter);
        let waiters = self.first.into_iter().chain(others);
        waiters.flatten().for_each(Waker::wake);
    }
}
