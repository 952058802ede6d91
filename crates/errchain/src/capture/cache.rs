//! Stacks that were printed before, within a bound.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Frames;
use super::frame::resolve;

/// The most memory that names of stacks take up, in bytes. The oldest go first.
const MAX_BYTES: usize = 1 << 20;

type Addresses = Arc<[usize]>;

/// Frames by the addresses that they were found at.
#[derive(Default)]
struct Cache {
    stacks: HashMap<Addresses, Frames>,
    oldest_first: VecDeque<Addresses>,
    bytes: usize,
}

static CACHE: Mutex<Option<Cache>> = Mutex::new(None);

/// The frames of a stack, looked up if it was not printed lately.
pub(super) fn frames(addresses: &[usize]) -> Frames {
    if let Some(frames) = with_cache(|cache| cache.stacks.get(addresses).cloned()) {
        return frames;
    }
    // Not under the lock: it takes long, and two who do it at once agree.
    let frames = resolve(addresses);
    with_cache(|cache| cache.insert(addresses, &frames));
    frames
}

fn with_cache<R>(run: impl FnOnce(&mut Cache) -> R) -> R {
    // Nothing in here panics half way, so a poisoned cache is still a sound one.
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    run(cache.get_or_insert_default())
}

impl Cache {
    fn insert(&mut self, addresses: &[usize], frames: &Frames) {
        let bytes = size(addresses, frames);
        if bytes > MAX_BYTES || self.stacks.contains_key(addresses) {
            return;
        }
        while self.bytes + bytes > MAX_BYTES {
            let Some(oldest) = self.oldest_first.pop_front() else {
                break;
            };
            if let Some(frames) = self.stacks.remove(&oldest) {
                self.bytes -= size(&oldest, &frames);
            }
        }
        let addresses: Addresses = Box::<[usize]>::from(addresses).into();
        self.bytes += bytes;
        self.oldest_first.push_back(Arc::clone(&addresses));
        self.stacks.insert(addresses, frames.clone());
    }
}

fn size(addresses: &[usize], frames: &Frames) -> usize {
    size_of_val(addresses) + frames.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_that_was_looked_up_before_is_not_looked_up_again() {
        let addresses = [2, 3, 4];
        assert!(frames(&addresses).is_same(&frames(&addresses)));
    }

    #[test]
    fn the_cache_keeps_its_bound_and_forgets_the_oldest_first() {
        let mut cache = Cache::default();
        // No module has code at these addresses, so their frames have no names.
        let frames = resolve(&[1; 512]);
        for stack in 0..200 {
            cache.insert(&[stack; 512], &frames);
            let sum: usize = cache.stacks.iter().map(|(a, f)| size(a, f)).sum();
            assert_eq!(cache.bytes, sum);
            assert!(cache.bytes <= MAX_BYTES);
        }
        // Two threads that looked up one stack at once.
        cache.insert(&[199; 512], &frames);
        let sum: usize = cache.stacks.iter().map(|(a, f)| size(a, f)).sum();
        assert_eq!(cache.bytes, sum);
        assert!(cache.stacks.contains_key(&[199; 512][..]));
        assert!(!cache.stacks.contains_key(&[0; 512][..]));
        assert_eq!(cache.stacks.len(), cache.oldest_first.len());
    }
}
