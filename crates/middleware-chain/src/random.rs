//! Names that nobody else has.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

/// Unique, unpredictable enough to sample by, and not a secret. It needs no call of the system, and
/// is not all zeros, which is how W3C writes that there is none.
pub(crate) fn random() -> [u8; 8] {
    thread_local! {
        static STATE: Cell<[u64; 2]> = const { Cell::new([0; 2]) };
    }
    let mut state = STATE.get();
    if state == [0; 2] {
        state = seed();
    }
    let (word, state) = next(state);
    STATE.set(state);
    word.max(1).to_be_bytes()
}

/// One step of xoroshiro128++ by Blackman and Vigna: of two threads with a state of 128 bits each,
/// none comes to where the other one was.
fn next([one, other]: [u64; 2]) -> (u64, [u64; 2]) {
    let word = one.wrapping_add(other).rotate_left(17).wrapping_add(one);
    let other = other ^ one;
    let one = one.rotate_left(49) ^ other ^ (other << 21);
    (word, [one, other.rotate_left(28)])
}

/// What the system gave the thread's hash maps to begin with. It is not all zeros, which stays so.
#[cold]
fn seed() -> [u64; 2] {
    let keys = RandomState::new();
    [keys.hash_one(1), keys.hash_one(2).max(1)]
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

    /// Of the reference, <https://prng.di.unimi.it/xoroshiro128plusplus.c>, from the state 1, 2.
    #[test]
    fn a_step_is_one_of_xoroshiro128_plus_plus() {
        let (first, state) = next([1, 2]);
        assert_eq!(first, (3 << 17) + 1);
        assert_eq!(state, [(1 << 49) ^ 3 ^ (3 << 21), 3 << 28]);
    }

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
