//! The chain of frame pointers.

use alloc::vec::Vec;

use super::stack::{Registers, WORD, load};

/// Both architectures keep a frame as two words: the caller's frame, the return address.
#[inline]
pub(super) fn follow(frames: &mut Vec<usize>, most: usize) -> bool {
    let registers = Registers::now();
    let Some(top) = registers.end_of_stack() else {
        return false;
    };
    let mut frame = registers.frame;
    let mut last = registers.stack;
    while frames.len() < most {
        // Callers lie above their callees; anything else is no chain of frames.
        let is_frame = frame > last && frame.is_multiple_of(WORD) && frame < top - 2 * WORD;
        if !is_frame {
            break;
        }
        // SAFETY: both words lie between the stack pointer and the end of the stack.
        let (caller, address) = unsafe { (load(frame), load(frame + WORD)) };
        if address == 0 {
            break;
        }
        frames.push(address);
        last = frame;
        frame = caller;
    }
    true
}
