//! The append-only record log: a first block inside the node, then blocks of their own.
//!
//! Blocks never move and records are never taken out, so that a link to a record stays valid
//! until the node is dropped.

use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::slice;

use alloc::boxed::Box;

use crate::record::Record;

/// Room in the node: three fields, a code that was replaced, a context and a run of hops.
pub(super) const FIRST: usize = 6;
/// Room in each further block: 792 bytes, a size that allocators keep at hand.
const NEXT: usize = 16;

/// Records in the order in which they were added.
#[repr(C)]
pub(super) struct Log {
    /// The block that is being filled: the first one or one of its successors.
    last: NonNull<Head>,
    first: Block<FIRST>,
}

/// A block of any size, as `push` sees it: the slots lie right behind, and where a word is
/// smaller than a record's alignment no gap comes between.
#[repr(C, align(8))]
struct Head {
    next: Option<NonNull<Block<NEXT>>>,
    len: usize,
    room: usize,
}

#[repr(C)]
struct Block<const N: usize> {
    head: Head,
    slots: [MaybeUninit<Record>; N],
}

const _: () = assert!(size_of::<Head>().is_multiple_of(align_of::<Record>()));

impl Log {
    /// Makes an empty log in place: its slots are never written before they are used.
    ///
    /// # Safety
    ///
    /// `this` must be valid for writes, with the provenance of the whole node: the pointers that
    /// `push` returns inherit it.
    #[inline]
    pub(super) unsafe fn init(this: *mut Self) {
        // SAFETY: the caller's; a field of a valid pointer is not null.
        unsafe {
            let first = NonNull::new_unchecked(&raw mut (*this).first);
            Block::init(first);
            (&raw mut (*this).last).write(first.cast());
        }
    }

    /// The next record goes into a block that is there already.
    ///
    /// # Safety
    ///
    /// `this` must point at an initialized log that nobody borrows mutably.
    #[inline]
    pub(super) unsafe fn has_room(this: *const Self) -> bool {
        // SAFETY: the caller's; the last block is live, because the log owns it.
        unsafe {
            let block = (*this).last.as_ptr();
            (*block).len < (*block).room
        }
    }

    /// Appends a record and returns where it lies.
    ///
    /// It is made after its slot was found, so that it is written there field by field and not
    /// by way of the stack.
    ///
    /// # Safety
    ///
    /// `this` must point at an initialized log that has room and that nobody borrows.
    #[inline]
    pub(super) unsafe fn push(this: *mut Self, make: impl FnOnce() -> Record) -> NonNull<Record> {
        // SAFETY: the caller's; the last block is live, because the log owns it. The slot is in
        // the block, because `len < room`, and it counts only when it is filled.
        unsafe {
            let block = (*this).last;
            let len = (*block.as_ptr()).len;
            let slot = block.add(1).cast::<Record>().add(len);
            slot.write(make());
            (*block.as_ptr()).len = len + 1;
            slot
        }
    }

    /// The last record, to be changed in place.
    ///
    /// # Safety
    ///
    /// As for `push`, for as long as `'a`.
    #[inline]
    pub(super) unsafe fn newest<'a>(this: *mut Self) -> Option<&'a mut Record> {
        // SAFETY: the caller's; the last block is live, and its first `len` slots are filled.
        unsafe {
            let block = (*this).last;
            let last = (*block.as_ptr()).len.checked_sub(1)?;
            Some(block.add(1).cast::<Record>().add(last).as_mut())
        }
    }

    pub(super) fn records(&self) -> Records<'_> {
        Records {
            block: self.first.records().iter(),
            next: self.first.head.next,
        }
    }

    /// Chains another block.
    ///
    /// # Safety
    ///
    /// `this` must point at an initialized log that nobody borrows.
    pub(super) unsafe fn grow(this: *mut Self) {
        let block = Box::into_raw(Box::<Block<NEXT>>::new_uninit()).cast::<Block<NEXT>>();
        // SAFETY: `Box::into_raw` is never null, and its memory is valid for writes. The caller's
        // for the rest; the last block is live, because the log owns it.
        unsafe {
            let block = NonNull::new_unchecked(block);
            Block::init(block);
            (*(*this).last.as_ptr()).next = Some(block);
            (*this).last = block.cast();
        }
    }
}

impl Drop for Log {
    /// Block by block, so that a million records need no stack.
    fn drop(&mut self) {
        let mut next = self.first.head.next.take();
        while let Some(block) = next {
            // SAFETY: the log owns its blocks, and each came from `Box::into_raw`. Its slots may
            // be uninitialized.
            let mut block = unsafe { Box::from_raw(block.as_ptr()) };
            next = block.head.next.take();
        }
    }
}

impl<const N: usize> Block<N> {
    /// # Safety
    ///
    /// `this` must be valid for writes.
    #[inline]
    unsafe fn init(this: NonNull<Self>) {
        let head = Head {
            next: None,
            len: 0,
            room: N,
        };
        // SAFETY: the caller's; a block starts with its head.
        unsafe { this.cast().write(head) };
    }

    #[inline]
    fn records(&self) -> &[Record] {
        // SAFETY: the first `len` slots are filled, and `MaybeUninit<T>` is laid out as `T`.
        unsafe { slice::from_raw_parts(self.slots.as_ptr().cast(), self.head.len) }
    }
}

impl<const N: usize> Drop for Block<N> {
    fn drop(&mut self) {
        let slots = self.slots.as_mut_ptr().cast::<Record>();
        let filled = ptr::slice_from_raw_parts_mut(slots, self.head.len);
        // Most blocks own nothing, and to see that is cheaper than to drop each record.
        if self.records().iter().any(Record::owns_memory) {
            // SAFETY: the first `len` slots are filled, and nobody sees them again.
            unsafe { filled.drop_in_place() };
        }
    }
}

/// The records of an error, oldest first.
#[derive(Clone, Default)]
pub(crate) struct Records<'a> {
    block: slice::Iter<'a, Record>,
    next: Option<NonNull<Block<NEXT>>>,
}

impl<'a> Iterator for Records<'a> {
    type Item = &'a Record;

    #[inline]
    fn next(&mut self) -> Option<&'a Record> {
        loop {
            if let Some(record) = self.block.next() {
                return Some(record);
            }
            // SAFETY: blocks live and stay unchanged for as long as the log is borrowed, `'a`.
            let block: &'a Block<NEXT> = unsafe { self.next?.as_ref() };
            self.block = block.records().iter();
            self.next = block.head.next;
        }
    }
}

// SAFETY: (5) this is a `&'a [Record]` in pieces.
unsafe impl Send for Records<'_> {}
// SAFETY: (5) as above.
unsafe impl Sync for Records<'_> {}

impl fmt::Debug for Records<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records").finish_non_exhaustive()
    }
}
