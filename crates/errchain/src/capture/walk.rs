//! Which way to walk a stack, found out once.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU8, Ordering};

use crate::raw;

/// More frames than this are cut off, which the report says.
pub(super) const MAX_FRAMES: usize = 512;
/// Room for the usual depth in one allocation of 384 bytes.
const USUAL_FRAMES: usize = 48;

/// How many captures have to agree before frame pointers are believed.
const CHECKS: u8 = 3;
/// The frames at the top that may differ: those of the walks themselves.
const TOP: usize = 4;
/// How many more of its own frames the unwinder has at the top. One more would be too many: the
/// standard library keeps frame pointers, and a program that does not begins right above it.
const UNWINDER: usize = 2;
/// The frames at the bottom that may be missing: those of the C library, which keeps none.
const BOTTOM: usize = 4;

/// `0..CHECKS` agreed so far, or one of these.
static STATE: AtomicU8 = AtomicU8::new(0);
const KEPT: u8 = 0xFE;
const NOT_KEPT: u8 = 0xFF;

/// The program keeps frame pointers, as far as the captures so far can tell.
#[must_use]
pub fn has_frame_pointers() -> bool {
    // ORDERING: Relaxed, see `walk`.
    STATE.load(Ordering::Relaxed) == KEPT
}

/// The return addresses of this thread's stack, innermost first.
///
/// Inlined where it can be: every call in between is a frame to walk.
#[inline]
pub(super) fn walk() -> Vec<usize> {
    let mut frames = Vec::with_capacity(USUAL_FRAMES);
    // ORDERING: Relaxed. The state guards no other memory, and any of its values is safe to act
    // on: both ways are sound, only one of them may see nonsense.
    let state = STATE.load(Ordering::Relaxed);
    if state != NOT_KEPT && raw::follow_frame_pointers(&mut frames, MAX_FRAMES) {
        if state == KEPT {
            return frames;
        }
        let mut unwound = Vec::with_capacity(USUAL_FRAMES);
        raw::unwind(&mut unwound, MAX_FRAMES);
        learn(state, agree(&frames, &unwound));
        return unwound;
    }
    frames.clear();
    if raw::follow_rules(&mut frames, MAX_FRAMES) {
        return frames;
    }
    frames.clear();
    raw::unwind(&mut frames, MAX_FRAMES);
    frames
}

fn learn(before: u8, do_agree: bool) {
    let after = match before {
        _ if !do_agree => NOT_KEPT,
        count if count + 1 >= CHECKS => KEPT,
        count => count + 1,
    };
    // ORDERING: Relaxed, see `walk`. Of two that learn at once one is enough; a `no` stays.
    if after == NOT_KEPT {
        STATE.store(after, Ordering::Relaxed);
    } else {
        let _ = STATE.compare_exchange(before, after, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// Frame pointers have found what the unwinder has found, from some frame near the top down to
/// where the C library begins.
fn agree(pointers: &[usize], unwound: &[usize]) -> bool {
    // The two were called from different places, so their own frames differ.
    let shared = (0..TOP).find_map(|skipped| {
        let pointers = pointers.get(skipped..)?;
        let top = unwound
            .iter()
            .position(|address| Some(address) == pointers.first())?;
        // A chain that begins further down has left out whoever keeps no frame pointers.
        let begins_at_top = top <= skipped + UNWINDER;
        begins_at_top.then(|| (pointers, &unwound[top..]))
    });
    let Some((pointers, unwound)) = shared else {
        return false;
    };
    let common = pointers
        .iter()
        .zip(unwound)
        .take_while(|(left, right)| left == right)
        .count();
    common > BOTTOM && common + BOTTOM >= unwound.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_pointers_are_believed_if_all_but_the_bottom_agrees() {
        let unwound: Vec<usize> = (100..120).collect();
        for (pointers, do_agree) in [
            ((102..120).collect::<Vec<_>>(), true),
            ([1, 2].into_iter().chain(102..120).collect(), true),
            ((102..117).collect(), true),
            ((102..117).chain([7, 8, 9]).collect(), true),
            ((103..120).collect(), false),
            ([1].into_iter().chain(103..120).collect(), true),
            ((110..120).collect(), false),
            ((102..115).collect(), false),
            ((102..110).chain(112..120).collect(), false),
            ((1..20).collect(), false),
            (Vec::new(), false),
        ] {
            assert_eq!(agree(&pointers, &unwound), do_agree, "{pointers:?}");
        }
        assert!(!agree(&[118, 119], &unwound), "too short to tell");
    }
}
