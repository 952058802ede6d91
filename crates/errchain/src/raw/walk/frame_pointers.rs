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
    // SAFETY: all from the stack pointer to the end of the stack is mapped.
    unsafe { follow_within(registers, top, frames, most) };
    true
}

/// # Safety
///
/// All from the stack pointer to `top` must be mapped.
#[inline]
unsafe fn follow_within(registers: Registers, top: usize, frames: &mut Vec<usize>, most: usize) {
    let mut frame = registers.frame;
    let mut last = registers.stack;
    while frames.len() < most {
        // Callers lie above their callees; anything else is no chain of frames.
        let is_frame = frame > last && frame.is_multiple_of(WORD) && frame < top - 2 * WORD;
        if !is_frame {
            break;
        }
        // SAFETY: the caller's; both words lie between the stack pointer and `top`.
        let (caller, address) = unsafe { (load(frame), load(frame + WORD)) };
        if address == 0 {
            break;
        }
        frames.push(address);
        last = frame;
        frame = caller;
    }
}

#[cfg(test)]
mod tests {
    use core::hint::black_box;

    use super::*;

    #[test]
    fn nothing_is_read_outside_the_stack_or_twice() {
        // A frame is the address of its caller's, and a return address.
        let mut stack = [0_usize; 12];
        let at = |stack: &[usize; 12], word: usize| (&raw const stack[0]).addr() + word * WORD;
        for (caller, is_followed) in [
            (at(&stack, 6), true),
            (at(&stack, 9), true),
            (at(&stack, 10), false),
            (at(&stack, 12), false),
            (at(&stack, 6) + 1, false),
            (at(&stack, 2), false),
            (at(&stack, 1), false),
            (0, false),
            (usize::MAX - 7, false),
        ] {
            stack[2..4].copy_from_slice(&[caller, 100]);
            for word in [7, 10, 11] {
                stack[word] = 200;
            }
            let registers = Registers {
                frame: at(&stack, 2),
                stack: at(&stack, 0),
                ..Registers::now()
            };
            let top = at(&stack, 12);
            black_box(&mut stack);
            let mut frames = Vec::new();
            // SAFETY: the array lies there.
            unsafe { follow_within(registers, top, &mut frames, 8) };
            let expected: &[usize] = if is_followed { &[100, 200] } else { &[100] };
            assert_eq!(frames, expected, "{caller:x}");
        }
    }
}
