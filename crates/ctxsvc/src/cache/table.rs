//! Which keys are being loaded.
//!
//! What is loaded is remembered under the lock of the table, and only if it is still in the table:
//! an invalidation takes it out under the same lock, and so wins whenever it comes.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use crate::sync::{Mutex, lock};

/// A power of two. More than processors of most machines, so that two keys seldom meet.
const SHARDS: usize = 64;

pub(super) struct Table<K, F> {
    shards: [Mutex<HashMap<K, Arc<F>>>; SHARDS],
    hasher: RandomState,
}

/// What came of the wish to have a key loaded.
pub(super) enum Joined<F, A> {
    /// There was no need to.
    Known(A),
    /// It is being loaded.
    Theirs(Arc<F>),
    /// The caller has to load it.
    Ours(Arc<F>),
}

impl<K: Eq + Hash + Clone, F> Table<K, F> {
    pub(super) fn new() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }

    /// Joins the flight for a key, unless it is known by now what it would bring. One that is
    /// `outdated` is left to those who have joined it.
    pub(super) fn join<A>(
        &self,
        key: &K,
        known: impl FnOnce() -> Option<A>,
        outdated: impl FnOnce(&F) -> bool,
        new: impl FnOnce() -> F,
    ) -> Joined<F, A> {
        let mut flights = lock(self.shard(key));
        if let Some(flight) = flights.get(key)
            && !outdated(flight)
        {
            return Joined::Theirs(Arc::clone(flight));
        }
        // One may have landed since the caller has looked.
        if let Some(known) = known() {
            return Joined::Known(known);
        }
        let flight = Arc::new(new());
        flights.insert(key.clone(), Arc::clone(&flight));
        Joined::Ours(flight)
    }

    /// Ends a flight. What it brings is remembered, unless the flight was revoked.
    pub(super) fn land<R>(
        &self,
        key: &K,
        flight: &Arc<F>,
        remember: impl FnOnce() -> R,
    ) -> Option<R> {
        let mut flights = lock(self.shard(key));
        let is_registered = flights.get(key).is_some_and(|it| Arc::ptr_eq(it, flight));
        is_registered.then(|| {
            flights.remove(key);
            remember()
        })
    }

    /// Makes sure that a flight that is under way is not remembered, and that nobody joins it any
    /// more.
    pub(super) fn revoke<R>(&self, key: &K, forget: impl FnOnce() -> R) -> R {
        let mut flights = lock(self.shard(key));
        flights.remove(key);
        forget()
    }

    fn shard(&self, key: &K) -> &Mutex<HashMap<K, Arc<F>>> {
        let hash = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64);
        &self.shards[hash.expect("it is small")]
    }
}

#[cfg(all(test, model))]
mod loom_tests {
    use loom::thread;

    use super::*;

    type Memory = Mutex<Option<u32>>;

    fn load(table: &Table<u8, u32>, memory: &Memory, row: u32) -> Option<u32> {
        let flight = match table.join(&1, || *lock(memory), |_| false, || row) {
            Joined::Known(known) => return Some(known),
            Joined::Theirs(_) => return None,
            Joined::Ours(flight) => flight,
        };
        table.land(&1, &flight, || *lock(memory) = Some(*flight));
        Some(row)
    }

    #[test]
    fn an_invalidation_beats_a_load_that_began_before_it() {
        loom::model(|| {
            let shared = Arc::new((Table::new(), Memory::default()));
            let Joined::Ours(flight) = shared.0.join(&1, || None::<()>, |_| false, || 1) else {
                panic!("nobody else loads");
            };
            let landing = {
                let shared = Arc::clone(&shared);
                let flight = Arc::clone(&flight);
                thread::spawn(move || {
                    shared
                        .0
                        .land(&1, &flight, || *lock(&shared.1) = Some(*flight));
                })
            };
            shared.0.revoke(&1, || *lock(&shared.1) = None);
            landing.join().expect("no panic");
            assert_eq!(*lock(&shared.1), None);
        });
    }

    #[test]
    fn of_two_who_load_the_same_key_one_loads() {
        loom::model(|| {
            let shared = Arc::new((Table::new(), Memory::default()));
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || load(&shared.0, &shared.1, 1))
            };
            let ours = load(&shared.0, &shared.1, 2);
            let theirs = other.join().expect("no panic");
            let kept = lock(&shared.1).expect("one has loaded");
            for loaded in [ours, theirs].into_iter().flatten() {
                assert_eq!(loaded, kept);
            }
        });
    }
}
