//! Walking the stack: along frame pointers, or by the system's unwinder.

use alloc::vec::Vec;

/// Collects the return addresses along the chain of frame pointers. `false` says that this
/// thread, or this platform, has no stack to do it on.
///
/// Every address that is read lies between this function's frame and the end of the thread's
/// stack, so that whatever the registers held, nothing unmapped is touched.
#[inline]
pub(crate) fn follow_frame_pointers(frames: &mut Vec<usize>, most: usize) -> bool {
    #[cfg(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(miri),
    ))]
    {
        linux::follow(frames, most)
    }
    #[cfg(not(all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(miri),
    )))]
    {
        let _ = (frames, most);
        false
    }
}

/// Collects the return addresses by the system's unwinder.
#[inline]
pub(crate) fn unwind(frames: &mut Vec<usize>, most: usize) {
    let visit = |frame: &backtrace::Frame| {
        let address = frame.ip().addr();
        // Some unwinders end with a frame that is none.
        if address != 0 {
            frames.push(address);
        }
        frames.len() < most
    };
    // The lock that `trace` takes is for the symbol tables of Windows' dbghelp, and for unwinders
    // that are not thread-safe; those of the Unixes are.
    #[cfg(all(unix, not(miri)))]
    // SAFETY: the unwinder is thread-safe, and the callback neither unwinds nor traces.
    unsafe {
        backtrace::trace_unsynchronized(visit);
    }
    #[cfg(not(all(unix, not(miri))))]
    backtrace::trace(visit);
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri),
))]
mod linux {
    use core::arch::asm;
    use core::cell::Cell;
    use core::mem::MaybeUninit;

    use alloc::vec::Vec;

    const WORD: usize = size_of::<usize>();

    /// Both architectures keep a frame as two words: the caller's frame, the return address.
    #[inline]
    pub(super) fn follow(frames: &mut Vec<usize>, most: usize) -> bool {
        let (mut frame, stack) = registers();
        let (bottom, top) = bounds();
        // On a stack of its own (a coroutine, a signal handler) it is not known where that ends.
        if !(bottom..top).contains(&stack) {
            return false;
        }
        let mut last = stack;
        while frames.len() < most {
            // Callers lie above their callees; anything else is no chain of frames.
            let is_frame = frame > last && frame % WORD == 0 && frame < top - 2 * WORD;
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

    /// The frame pointer, or whatever the register is used for, and the stack pointer.
    #[allow(clippy::inline_always, reason = "they have to be those of the caller")]
    #[inline(always)]
    fn registers() -> (usize, usize) {
        let (frame, stack);
        // SAFETY: copies two registers.
        unsafe {
            #[cfg(target_arch = "x86_64")]
            asm!("mov {}, rbp", "mov {}, rsp", out(reg) frame, out(reg) stack, options(nomem, nostack, preserves_flags));
            #[cfg(target_arch = "aarch64")]
            asm!("mov {}, x29", "mov {}, sp", out(reg) frame, out(reg) stack, options(nomem, nostack, preserves_flags));
        }
        (frame, stack)
    }

    /// Reads a word that may belong to any variable of any frame, or to none: in assembly,
    /// because no pointer of the language may.
    ///
    /// # Safety
    ///
    /// The address must be aligned and mapped.
    #[inline]
    unsafe fn load(address: usize) -> usize {
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

    /// The first address of this thread's stack, and the first one behind it. Asked for once;
    /// a thread that does not know has a stack without addresses.
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
}
