//! The allocator that counts. The only `unsafe` code of this package.
#![allow(unsafe_code, reason = "an allocator cannot be written without it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// The system's allocator. While it counts, each call pays two atomic additions more.
struct Counting;

/// Runs `work`, and returns how often all threads together have allocated meanwhile, and how many
/// bytes: 0 if they are not to be counted. What grows counts as another allocation, of the size it
/// grows to.
///
/// One call of `work` for both, because a stack that is captured below would tell them apart.
pub(crate) fn count(counts: bool, work: impl FnOnce()) -> (u64, u64) {
    // ORDERING: SeqCst on each, so that what `work` allocates lies between the two switches.
    ALLOCATIONS.store(0, Ordering::SeqCst);
    BYTES.store(0, Ordering::SeqCst);
    IS_COUNTING.store(counts, Ordering::SeqCst);
    work();
    IS_COUNTING.store(false, Ordering::SeqCst);
    (
        ALLOCATIONS.load(Ordering::SeqCst),
        BYTES.load(Ordering::SeqCst),
    )
}

/// Runs `work` without a count of what it allocates.
pub(crate) fn uncounted<R>(work: impl FnOnce() -> R) -> R {
    // ORDERING: SeqCst, as in `count`.
    let counts = IS_COUNTING.swap(false, Ordering::SeqCst);
    let result = work();
    IS_COUNTING.store(counts, Ordering::SeqCst);
    result
}

/// For a test that counts: there is one count in a process, and the tests are threads of one.
#[cfg(test)]
pub(crate) fn alone() -> std::sync::MutexGuard<'static, ()> {
    static COUNTING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    // One that has failed leaves nothing behind that the next one would not set anew.
    COUNTING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn note(bytes: usize) {
    // ORDERING: Relaxed on each. The counters guard no other memory, and a stray allocation of
    // another thread at the edge of the count is one too many or too few either way.
    if IS_COUNTING.load(Ordering::Relaxed) {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

// SAFETY: each call is handed on unchanged to `System`, which keeps the contract, and `note`
// neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps to `alloc`'s contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: the caller keeps to `alloc_zeroed`'s contract, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        note(new_size);
        // SAFETY: the caller keeps to `realloc`'s contract, which is the same, and `block` came
        // from `System`, as all of ours do.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps to `dealloc`'s contract, which is the same, and `block` came
        // from `System`, as all of ours do.
        unsafe { System.dealloc(block, layout) }
    }
}
