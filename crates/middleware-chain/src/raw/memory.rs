//! The memory of frames, which each thread keeps for the next ones.
//!
//! A frame is larger than what allocators hand out from their fastest place, and a request that is over
//! leaves one of just the size that the next request wants.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::Cell;
use std::ptr::{self, NonNull};

/// What allocators give without being asked.
pub(super) const ALLOCATED: usize = 2 * size_of::<usize>();

/// Sizes are rounded up to a multiple of this, so that chains with little between them share.
const STEP: usize = 128;
/// Up to 4 KiB. Larger ones are rare, and not kept.
const SIZES: usize = 32;
/// So many of a size, for each thread: 540 672 bytes if there are as many of each. None where a tool looks for
/// what is used after it was freed.
const KEPT_MAX: usize = if cfg!(any(miri, keeps_nothing)) { 0 } else { 8 };
const _: () = assert!(8 * STEP * (SIZES * (SIZES + 1) / 2) == 540_672);

/// In the first bytes of memory that is kept.
struct Free {
    next: *mut Free,
    /// How many there are, with this one.
    count: usize,
}

/// What is kept, by its size: a stack for each, so that what comes first is still in the cache.
struct Kept {
    first: [Cell<*mut Free>; SIZES],
    max: usize,
}

thread_local! {
    static KEPT: Kept = const { Kept::new(KEPT_MAX) };
}

/// At least so many bytes, aligned to [`ALLOCATED`], and how many there are.
#[inline]
pub(super) fn allocate(bytes: usize) -> (NonNull<u8>, usize) {
    let bytes = bytes.next_multiple_of(STEP);
    let kept = KEPT.try_with(|kept| kept.take(bytes));
    let memory = kept.ok().flatten().unwrap_or_else(|| new(bytes));
    (memory, bytes)
}

/// # Safety
///
/// Both are from [`allocate`], and nobody uses the memory afterwards.
#[inline]
pub(super) unsafe fn free(memory: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller's promise. A thread that is about to end keeps nothing any more.
    unsafe {
        if !KEPT
            .try_with(|kept| kept.keep(memory, bytes))
            .unwrap_or(false)
        {
            delete(memory, bytes);
        }
    }
}

#[cold]
fn new(bytes: usize) -> NonNull<u8> {
    let layout = layout(bytes);
    // SAFETY: a frame has a header, and its layout is not empty.
    NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

/// # Safety
///
/// The memory is from [`new`], with as many bytes, and nobody uses it afterwards.
#[cold]
unsafe fn delete(memory: NonNull<u8>, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { dealloc(memory.as_ptr(), layout(bytes)) }
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, ALLOCATED).expect("a frame fits into the address space")
}

impl Kept {
    const fn new(max: usize) -> Self {
        Self {
            first: [const { Cell::new(ptr::null_mut()) }; SIZES],
            max,
        }
    }

    /// Those of a size, unless it is one that is not kept.
    #[inline]
    fn of(&self, bytes: usize) -> Option<&Cell<*mut Free>> {
        self.first.get((bytes / STEP).checked_sub(1)?)
    }

    #[inline]
    fn take(&self, bytes: usize) -> Option<NonNull<u8>> {
        let first = self.of(bytes)?;
        let memory = NonNull::new(first.get())?;
        // SAFETY: what is listed was kept, with a `Free` in it, and nobody else uses it.
        first.set(unsafe { (*memory.as_ptr()).next });
        Some(memory.cast())
    }

    /// Whether it is kept.
    ///
    /// # Safety
    ///
    /// The memory is from [`new`], with as many bytes, and if it is kept nobody uses it afterwards.
    #[inline]
    unsafe fn keep(&self, memory: NonNull<u8>, bytes: usize) -> bool {
        let Some(first) = self.of(bytes) else {
            return false;
        };
        let next = first.get();
        // SAFETY: as in `take`.
        let count = unsafe { next.as_ref() }.map_or(1, |next| next.count + 1);
        if count > self.max {
            return false;
        }
        let memory = memory.cast::<Free>();
        // SAFETY: the caller's promise; there is room, and the alignment is that of two words.
        unsafe { memory.write(Free { next, count }) };
        first.set(memory.as_ptr());
        true
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        for bytes in (1..=SIZES).map(|nth| nth * STEP) {
            while let Some(memory) = self.take(bytes) {
                // SAFETY: what is listed is from `new`, with as many bytes.
                unsafe { delete(memory, bytes) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_by_its_size_the_last_one_first_and_no_more_than_the_bound() {
        let kept = Kept::new(2);
        let [small, large] = [STEP, SIZES * STEP];
        let memories: Vec<_> = [small, small, small, large]
            .map(|bytes| (new(bytes), bytes))
            .into();
        // SAFETY: each is from `new`, and is not used while it is kept.
        let are_kept = memories
            .iter()
            .map(|(memory, bytes)| unsafe { kept.keep(*memory, *bytes) });
        assert_eq!(are_kept.collect::<Vec<_>>(), [true, true, false, true]);
        let [first, second, third, fourth] = [0, 1, 2, 3].map(|nth: usize| memories[nth].0);
        assert_eq!(kept.take(2 * STEP), None);
        assert_eq!(kept.take(small), Some(second));
        assert_eq!(kept.take(small), Some(first));
        assert_eq!(kept.take(small), None);
        assert_eq!(kept.take(large), Some(fourth));
        // SAFETY: as above. What is kept at the end is freed with `kept`, and the rest here.
        unsafe {
            assert!(kept.keep(first, small) && kept.keep(fourth, large));
            delete(second, small);
            delete(third, small);
        }
    }

    #[test]
    fn what_is_too_large_or_nothing_is_not_kept() {
        let kept = Kept::new(2);
        let bytes = (SIZES + 1) * STEP;
        let memory = new(bytes);
        // SAFETY: it is from `new`, and was not kept.
        unsafe {
            assert!(!kept.keep(memory, bytes));
            delete(memory, bytes);
        }
        assert_eq!(kept.take(bytes), None);
        assert_eq!(kept.take(0), None);
    }
}
