//! Names that nobody else has.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Unique, unpredictable enough to sample by, and not a secret. It needs no call of the system, and
/// is not all zeros, which is how W3C writes that there is none.
pub(crate) fn random() -> [u8; 8] {
    static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    // ORDERING: no number is given twice; nothing else hangs on it.
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let id = SEED.hash_one(count);
    id.max(1).to_be_bytes()
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
