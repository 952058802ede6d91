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
/// Room in each further block: 776 bytes, a size that allocators keep at hand.
const NEXT: usize = 16;

/// Records in the order in which they were added.
#[repr(C)]
pub(super) struct Log {
    /// Where the next record goes, in the block that is being filled.
    slot: NonNull<Record>,
    /// How many more that block takes.
    left: u16,
    /// A record owns memory. In most logs none does, and they go without a look at each.
    owns_memory: bool,
    /// The block that is being filled: the first one or one of its successors.
    last: NonNull<Block<0>>,
    first: Block<FIRST>,
}

/// A block with any room starts as one without.
#[repr(C)]
struct Block<const N: usize> {
    next: Option<NonNull<Block<NEXT>>>,
    slots: [MaybeUninit<Record>; N],
}

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
            (&raw mut (*this).owns_memory).write(false);
            Self::begin(this, NonNull::new_unchecked(&raw mut (*this).first));
        }
    }

    /// The next record goes into a block that is there already.
    ///
    /// # Safety
    ///
    /// `this` must point at an initialized log that nobody borrows mutably.
    #[inline]
    pub(super) unsafe fn has_room(this: *const Self) -> bool {
        // SAFETY: the caller's.
        unsafe { (*this).left != 0 }
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
        // SAFETY: the caller's. The slot is in the block, because that has room, and it counts
        // only when it is filled; behind the last one the pointer is one past the end.
        unsafe {
            let slot = (*this).slot;
            let record = make();
            (*this).owns_memory |= record.owns_memory();
            slot.write(record);
            (*this).slot = slot.add(1);
            (*this).left -= 1;
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
        // SAFETY: the caller's. The last block is live, because the log owns it, and all its
        // slots up to `slot` are filled.
        unsafe {
            let slot = (*this).slot;
            (slot != Block::start((*this).last)).then(|| slot.sub(1).as_mut())
        }
    }

    pub(super) fn records(&self) -> Records<'_> {
        Records {
            block: self.first.filled(self.left).iter(),
            next: self.first.next,
            left: self.left,
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
            (*(*this).last.as_ptr()).next = Some(block);
            Self::begin(this, block);
        }
    }

    /// Makes this block empty, and the one that is filled.
    ///
    /// # Safety
    ///
    /// Both must be valid for writes.
    #[inline]
    unsafe fn begin<const N: usize>(this: *mut Self, block: NonNull<Block<N>>) {
        // SAFETY: the caller's; blocks of all sizes start alike.
        unsafe {
            (&raw mut (*block.as_ptr()).next).write(None);
            (&raw mut (*this).last).write(block.cast());
            (&raw mut (*this).slot).write(Block::start(block.cast()));
            (&raw mut (*this).left).write(Block::<N>::ROOM);
        }
    }
}

impl Drop for Log {
    /// Block by block, so that a million records need no stack.
    fn drop(&mut self) {
        let (left, owns_memory) = (self.left, self.owns_memory);
        let mut next = self.first.next;
        if owns_memory {
            // SAFETY: nobody sees the records again.
            unsafe { self.first.drop_filled(left) };
        }
        while let Some(block) = next {
            // SAFETY: the log owns its blocks, and each came from `Box::into_raw`. Its slots may
            // be uninitialized.
            let mut block = unsafe { Box::from_raw(block.as_ptr()) };
            next = block.next;
            if owns_memory {
                // SAFETY: nobody sees the records again.
                unsafe { block.drop_filled(left) };
            }
        }
    }
}

impl Block<0> {
    /// The first slot of a block with any room.
    ///
    /// # Safety
    ///
    /// `this` must be valid for writes, with the provenance of the whole block.
    #[inline]
    unsafe fn start(this: NonNull<Self>) -> NonNull<Record> {
        // SAFETY: the caller's; a field of a valid pointer is not null.
        unsafe { NonNull::new_unchecked(&raw mut (*this.as_ptr()).slots).cast() }
    }
}

impl<const N: usize> Block<N> {
    #[expect(clippy::cast_possible_truncation, reason = "it is at most `NEXT`")]
    const ROOM: u16 = {
        assert!(N <= NEXT);
        N as u16
    };

    /// The records. Only the last block has slots left.
    #[inline]
    fn filled(&self, left: u16) -> &[Record] {
        // SAFETY: the slots up to `len` are filled, and `MaybeUninit<T>` is laid out as `T`.
        unsafe { slice::from_raw_parts(self.slots.as_ptr().cast(), self.len(left)) }
    }

    /// # Safety
    ///
    /// The records are not seen again.
    unsafe fn drop_filled(&mut self, left: u16) {
        let slots = self.slots.as_mut_ptr().cast::<Record>();
        // SAFETY: the slots up to `len` are filled; the caller's.
        unsafe { ptr::slice_from_raw_parts_mut(slots, self.len(left)).drop_in_place() };
    }

    #[inline]
    fn len(&self, left: u16) -> usize {
        match self.next {
            Some(_) => N,
            None => N - usize::from(left),
        }
    }
}

/// The records of an error, oldest first.
#[derive(Clone, Default)]
pub(crate) struct Records<'a> {
    block: slice::Iter<'a, Record>,
    next: Option<NonNull<Block<NEXT>>>,
    /// Slots that the last block has left.
    left: u16,
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
            self.block = block.filled(self.left).iter();
            self.next = block.next;
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
