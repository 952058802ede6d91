//! This thread's stack: the registers that point into it, its bounds, its words.

use core::arch::asm;
use core::cell::Cell;
use core::mem::MaybeUninit;

pub(super) const WORD: usize = size_of::<usize>();

/// Where a function is in its code and on its stack.
#[derive(Clone, Copy)]
pub(super) struct Registers {
    #[cfg(target_arch = "x86_64")]
    pub(super) code: usize,
    /// The frame pointer, or whatever the register is used for.
    pub(super) frame: usize,
    pub(super) stack: usize,
}

impl Registers {
    /// Those of the caller.
    #[allow(clippy::inline_always, reason = "they would be those of this function")]
    #[inline(always)]
    pub(super) fn now() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let (code, frame, stack);
            // SAFETY: copies three registers.
            unsafe {
                asm!(
                    "lea {}, [rip]",
                    "mov {}, rbp",
                    "mov {}, rsp",
                    out(reg) code,
                    out(reg) frame,
                    out(reg) stack,
                    options(nomem, nostack, preserves_flags),
                );
            }
            Self { code, frame, stack }
        }
        #[cfg(target_arch = "aarch64")]
        {
            let (frame, stack);
            // SAFETY: copies two registers.
            unsafe {
                asm!(
                    "mov {}, x29",
                    "mov {}, sp",
                    out(reg) frame,
                    out(reg) stack,
                    options(nomem, nostack, preserves_flags),
                );
            }
            Self { frame, stack }
        }
    }

    /// The first address behind this thread's stack. On a stack of its own (a coroutine, a signal
    /// handler) it is not known where that ends.
    #[inline]
    pub(super) fn end_of_stack(&self) -> Option<usize> {
        let (bottom, top) = bounds();
        (bottom..top).contains(&self.stack).then_some(top)
    }
}

/// Reads a word that may belong to any variable of any frame, or to none: in assembly, because no
/// pointer of the language may.
///
/// # Safety
///
/// The address must be aligned and mapped.
#[inline]
pub(super) unsafe fn load(address: usize) -> usize {
    let word;
    // SAFETY: the caller's.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("mov {}, [{}]", out(reg) word, in(reg) address, options(readonly, nostack, preserves_flags));
        #[cfg(target_arch = "aarch64")]
        asm!("ldr {}, [{}]", out(reg) word, in(reg) address, options(readonly, nostack, preserves_flags));
    }
    word
}

/// The first address of this thread's stack, and the first one behind it. Asked for once; a
/// thread that does not know has a stack without addresses.
#[inline]
fn bounds() -> (usize, usize) {
    std::thread_local! {
        static BOUNDS: Cell<Option<(usize, usize)>> = const { Cell::new(None) };
    }
    BOUNDS.get().unwrap_or_else(|| {
        let bounds = ask().unwrap_or_default();
        BOUNDS.set(Some(bounds));
        bounds
    })
}

#[cold]
fn ask() -> Option<(usize, usize)> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut start = core::ptr::null_mut();
    let mut size = 0;
    // SAFETY: the attributes are written before they are read, and destroyed once.
    unsafe {
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return None;
        }
        let outcome =
            libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut start, &raw mut size);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        (outcome == 0).then(|| (start.addr(), start.addr() + size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_ends_above_its_frames_and_another_one_is_not_known() {
        static ELSEWHERE: u8 = 0;

        let local = 0_u8;
        let here = Registers::now();
        let end = here.end_of_stack().expect("this thread knows its stack");
        assert!(here.stack < end && (&raw const local).addr() < end);

        let boxed = alloc::boxed::Box::new(0_u8);
        for stack in [
            (&raw const ELSEWHERE).addr(),
            (&raw const *boxed).addr(),
            end,
            0,
            usize::MAX,
        ] {
            let elsewhere = Registers { stack, ..here };
            assert_eq!(elsewhere.end_of_stack(), None, "{stack:#x}");
        }
    }
}
