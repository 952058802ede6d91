//! Walking the stack: along frame pointers, by rules that were read once, or by the system's
//! unwinder.

use alloc::vec::Vec;

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri),
))]
mod frame_pointers;
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
mod rules;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri),
))]
mod stack;

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
        frame_pointers::follow(frames, most)
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

/// Collects the return addresses as the program's unwind tables say, of which each is asked once
/// per return address. `false` says that somebody is on the stack, or a platform below, of whom
/// they say too little.
#[inline]
pub(crate) fn follow_rules(frames: &mut Vec<usize>, most: usize) -> bool {
    #[cfg(all(target_os = "linux", target_arch = "x86_64", not(miri)))]
    {
        rules::follow(frames, most)
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(miri))))]
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
