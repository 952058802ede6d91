//! By what a right to load is known.

use std::hash::{BuildHasher, RandomState};

use crate::sync::{AtomicUsize, Ordering};

/// Tokens that no other process makes.
pub(super) struct Tokens {
    base: u64,
    next: AtomicUsize,
}

impl Tokens {
    pub(super) fn new() -> Self {
        Self {
            base: RandomState::new().hash_one(0),
            next: AtomicUsize::new(0),
        }
    }

    pub(super) fn next(&self) -> u128 {
        // ORDERING: Relaxed. It only has to be another one each time.
        let nth = self.next.fetch_add(1, Ordering::Relaxed) as u64;
        u128::from(self.base) << 64 | u128::from(nth)
    }
}
