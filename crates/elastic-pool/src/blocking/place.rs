//! The line of those that wait for room.

use std::sync::Arc;
use std::task::Waker;

use super::desk::Desk;
use super::shared::Shared;
use super::state::Refusal;
use crate::job::contain;
use crate::queue::Key;

/// A place in the line of those that wait for room. Who leaves it after being told of some tells
/// the next one, so that none is lost.
pub(super) struct Place<'a> {
    shared: &'a Arc<Shared>,
    key: Option<Key>,
}

impl<'a> Place<'a> {
    pub(super) const fn new(shared: &'a Arc<Shared>) -> Self {
        Self { shared, key: None }
    }

    /// Leaves the line to try. Who was told and is too late goes back to its head.
    pub(super) fn take<R>(
        &mut self,
        desk: &mut Desk<'_>,
        attempt: impl FnOnce(&mut Desk<'_>) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        let Some(key) = self.key else {
            return attempt(desk);
        };
        if desk.waiters.contains(key) {
            // Woken for another reason, as by a `select!`: it keeps its place, and its turn has
            // not come.
            let result = attempt(desk);
            if !matches!(result, Err(Refusal::Full)) {
                drop(desk.waiters.remove(key));
                self.key = None;
            }
            return result;
        }
        desk.was_notified();
        let result = attempt(desk);
        if result.is_ok() {
            self.key = None;
        }
        result
    }

    /// Stands in line: at its head if it was told of room and somebody was faster.
    pub(super) fn wait(&mut self, desk: &mut Desk<'_>, waker: &Waker) {
        let Some(key) = self.key else {
            self.key = Some(desk.waiters.push_back(waker.clone()));
            return;
        };
        match desk.waiters.get_mut(key) {
            Some(known) => known.clone_from(waker),
            None => self.key = Some(desk.waiters.push_front(waker.clone())),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else {
            return;
        };
        let waker = self.shared.with(|desk| {
            let waker = desk.waiters.remove(key);
            if waker.is_none() {
                desk.was_notified();
                desk.pass_on_room();
            }
            waker
        });
        contain(|| drop(waker));
    }
}
