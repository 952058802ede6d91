//! The append-only record log: a first block inside the node, then blocks of their own.
//!
//! Blocks never move and records are never taken out, so that a link to a record stays valid
//! until the node is dropped.

use core::fmt;
use core::hint;
use core::mem::MaybeUninit;
use core::panic::Location;
use core::ptr::{self, NonNull};
use core::slice;

use alloc::boxed::Box;

use crate::record::{Hops, Record};

/// Room in the node: ten contexts, or fewer with some fields and a run of hops. A node is 608 bytes
/// with an error of one word, and slots that are not used are never touched.
pub(super) const FIRST: usize = 11;
/// Room in each further block: 776 bytes, a size that allocators keep at hand.
const NEXT: usize = 16;

/// Records in the order in which they were added.
#[repr(C)]
pub(super) struct Log {
    /// Where the next record goes, in the block that is being filled, and where that ends. Two
    /// pointers, because a count beside the one would have to be counted down by each record.
    slot: NonNull<Record>,
    end: NonNull<Record>,
    /// How many hops the newest record takes yet: none if it holds something else. Only that
    /// record, in the block that is being filled, is ever changed again.
    room_for_hops: u8,
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
        unsafe { (*this).slot != (*this).end }
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
            let next = slot.add(1);
            (*this).owns_memory |= record.owns_memory();
            (*this).room_for_hops = record.room_for_hops();
            slot.write(record);
            (*this).slot = next;
            slot
        }
    }

    /// Adds a hop to the newest record. `false` if that does not take one.
    ///
    /// # Safety
    ///
    /// `this` must point at an initialized log that nobody borrows.
    #[inline]
    pub(super) unsafe fn add_hop(this: *mut Self, at: &'static Location<'static>) -> bool {
        // SAFETY: the caller's. There is room only while a run of hops lies right before the slot,
        // because `push` tells the room of each record, and a new block has none. It is at most
        // `Hops::ROOM`, so that the place is one of the run's.
        unsafe {
            let room = (*this).room_for_hops;
            if room == 0 {
                return false;
            }
            let Record::Hops(hops) = (*this).slot.sub(1).as_mut() else {
                hint::unreachable_unchecked()
            };
            *hops.0.get_unchecked_mut(Hops::place(room)) = Some(at);
            (*this).room_for_hops = room - 1;
            true
        }
    }

    pub(super) fn records(&self) -> Records<'_> {
        let left = self.left();
        Records {
            block: self.first.filled(left).iter(),
            next: self.first.next,
            left,
        }
    }

    /// How many slots the last block has left.
    #[inline]
    fn left(&self) -> usize {
        // SAFETY: both point into the block that is being filled, or right behind it.
        unsafe { self.end.offset_from_unsigned(self.slot) }
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

    /// Block by block, so that a million records need no stack. It is not used again.
    #[inline(never)]
    fn drop_blocks(&mut self) {
        let (left, owns_memory) = (self.left(), self.owns_memory);
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
            (&raw mut (*this).room_for_hops).write(0);
            let start = Block::start(block.cast());
            (&raw mut (*this).slot).write(start);
            (&raw mut (*this).end).write(start.add(N));
        }
    }
}

impl Drop for Log {
    #[inline]
    fn drop(&mut self) {
        // Most logs have neither, and so nothing to do.
        if self.owns_memory || self.first.next.is_some() {
            self.drop_blocks();
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
    /// The records. Only the last block has slots left.
    #[inline]
    fn filled(&self, left: usize) -> &[Record] {
        // SAFETY: the slots up to `len` are filled, and `MaybeUninit<T>` is laid out as `T`.
        unsafe { slice::from_raw_parts(self.slots.as_ptr().cast(), self.len(left)) }
    }

    /// # Safety
    ///
    /// The records are not seen again.
    unsafe fn drop_filled(&mut self, left: usize) {
        let slots = self.slots.as_mut_ptr().cast::<Record>();
        // SAFETY: the slots up to `len` are filled; the caller's.
        unsafe { ptr::slice_from_raw_parts_mut(slots, self.len(left)).drop_in_place() };
    }

    #[inline]
    fn len(&self, left: usize) -> usize {
        match self.next {
            Some(_) => N,
            None => N - left,
        }
    }
}

/// The records of an error, oldest first.
#[derive(Clone, Default)]
pub(crate) struct Records<'a> {
    block: slice::Iter<'a, Record>,
    next: Option<NonNull<Block<NEXT>>>,
    /// Slots that the last block has left.
    left: usize,
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
