//! Names that nobody else has, as far as chance goes.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// A hash of how many there were before on this thread, by a key that the system gave the thread: who
/// sees some does not know the others without the key. It is not meant to be a secret. Two are the same as
/// seldom as numbers of 64 bits drawn at random. It needs no call of the system, and is not all zeros, which
/// is how W3C writes that there is none.
pub(crate) fn random() -> [u8; 8] {
    thread_local! {
        // There is nothing to drop in it, so that it is there until the thread has ended.
        static STATE: (RandomState, Cell<u64>) = (RandomState::new(), Cell::new(0));
    }
    STATE.with(|(key, count)| {
        let nth = count.get();
        count.set(nth.wrapping_add(1));
        key.hash_one(nth).max(1).to_be_bytes()
    })
}

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8], to: &mut [u8]) {
    const PAIRS: [[u8; 2]; 256] = {
        let digits = b"0123456789abcdef";
        let mut pairs = [[0; 2]; 256];
        let mut byte = 0;
        while byte < 256 {
            pairs[byte] = [digits[byte >> 4], digits[byte & 15]];
            byte += 1;
        }
        pairs
    };
    for (byte, pair) in bytes.iter().zip(to.chunks_exact_mut(2)) {
        pair.copy_from_slice(&PAIRS[usize::from(*byte)]);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    #[test]
    fn no_two_are_the_same_on_whichever_threads_and_none_is_nothing() {
        const EACH: usize = 1000;
        let make = || (0..EACH).map(|_| random()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(make)).collect();
        let words = threads
            .into_iter()
            .filter_map(|it| it.join().ok())
            .flatten();
        let words: HashSet<_> = words.collect();
        assert_eq!(words.len(), 4 * EACH);
        assert!(!words.contains(&[0; 8]));
    }
}
