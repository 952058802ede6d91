//! The handle: one word that owns a node or points at static memory.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::error;
use core::mem::ManuallyDrop;
use core::panic::Location;
use core::ptr::NonNull;

use super::context::{ContextRecord, Link};
use super::log::{Log, Records};
use super::node::{DynError, Header};
use crate::Code;
use crate::fixed::Fixed;
use crate::record::Record;

/// A tagged pointer. `repr(transparent)` over `NonNull`, so that a `Result` of it travels in
/// registers.
#[repr(transparent)]
pub(crate) struct Handle(NonNull<()>);

/// The lowest bit: set for static memory, clear for a node.
const TAG: usize = 1;

/// Adds the tag, which is one bit for handles and links alike.
#[inline]
pub(super) fn tag<T>(untagged: NonNull<T>) -> NonNull<()> {
    const { assert!(align_of::<T>() > TAG) };
    untagged.cast().map_addr(|addr| addr | TAG)
}

#[inline]
pub(super) fn is_tagged(pointer: NonNull<()>) -> bool {
    pointer.addr().get() & TAG == TAG
}

/// Removes the tag.
///
/// # Safety
///
/// The pointer must come from `tag` of the same type.
#[inline]
pub(super) unsafe fn untag<T>(tagged: NonNull<()>) -> NonNull<T> {
    // SAFETY: the tag is the one byte behind the pointer that `tag` was given.
    unsafe { tagged.byte_sub(TAG) }.cast()
}

impl Handle {
    /// Costs nothing.
    #[inline]
    pub(crate) fn fixed(fixed: &'static Fixed) -> Self {
        Self(tag(NonNull::from(fixed)))
    }

    /// One allocation.
    #[inline]
    pub(crate) fn plain<E>(error: E, site: &'static Location<'static>) -> Self
    where
        E: error::Error + Send + Sync + 'static,
    {
        Self(Header::with_plain(error, site).cast())
    }

    /// One allocation beside the box.
    pub(crate) fn boxed(error: Box<DynError>, site: &'static Location<'static>) -> Self {
        Self(Header::with_boxed(error, site).cast())
    }

    #[inline]
    pub(crate) fn as_fixed(&self) -> Option<&'static Fixed> {
        // SAFETY: (1) a set tag means that the address came from a `&'static Fixed`.
        self.is_fixed()
            .then(|| unsafe { untag::<Fixed>(self.0).as_ref() })
    }

    #[inline]
    pub(crate) fn code(&self) -> Option<&'static Code> {
        match self.as_fixed() {
            Some(fixed) => fixed.code(),
            // SAFETY: (3) the node is live and lent for `&self`.
            None => unsafe { (*self.node().as_ptr()).code },
        }
    }

    #[inline]
    pub(crate) fn site(&self) -> &'static Location<'static> {
        match self.as_fixed() {
            Some(fixed) => fixed.site(),
            // SAFETY: (3) the node is live and lent for `&self`.
            None => unsafe { (*self.node().as_ptr()).site },
        }
    }

    /// The records, oldest first.
    pub(crate) fn records(&self) -> Records<'_> {
        if self.is_fixed() {
            return Records::default();
        }
        // SAFETY: (3) the node is live and lent for `&self`.
        unsafe { (*self.node().as_ptr()).log.records() }
    }

    /// The newest context, or the root if there is none.
    pub(crate) fn outermost(&self) -> &DynError {
        match self.as_fixed() {
            Some(fixed) => fixed,
            // SAFETY: (3) the node is live and lent for `&self`.
            None => unsafe { (*self.node().as_ptr()).newest.as_error() },
        }
    }

    /// What the error was made from.
    pub(crate) fn root(&self) -> &DynError {
        match self.as_fixed() {
            Some(fixed) => fixed,
            // SAFETY: (3) the node is live and lent for `&self`.
            None => unsafe { Header::root(self.node()) },
        }
    }

    /// The name of the root's type.
    #[cfg(feature = "tracing")]
    pub(crate) fn type_name(&self) -> &'static str {
        match self.as_fixed() {
            Some(_) => core::any::type_name::<Fixed>(),
            // SAFETY: (3) the node is live and lent for `&self`.
            None => unsafe { self.node().as_ref() }.type_name(),
        }
    }

    /// The same for writing. Static memory is not lent for that.
    pub(crate) fn root_mut(&mut self) -> Option<&mut DynError> {
        // SAFETY: (3) the node is live and lent for `&mut self`.
        (!self.is_fixed()).then(|| unsafe { Header::root_mut(self.node()) })
    }

    /// Frees the node and keeps the root, if it is an `E`.
    pub(crate) fn take<E>(self) -> Result<E, Self>
    where
        E: error::Error + Send + Sync + 'static,
    {
        if self.is_fixed() || !self.root().is::<E>() {
            return Err(self);
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: (3) the handle owned the node and is not dropped; its root is an `E`.
        Ok(unsafe { Header::take(this.node()) })
    }

    /// Makes this the code, and returns the one before.
    #[inline]
    pub(crate) fn set_code(&mut self, code: &'static Code) -> Option<&'static Code> {
        if self.is_fixed() {
            self.make_room();
        }
        // SAFETY: (3) the node is live and lent for `&mut self`.
        unsafe { (*self.node().as_ptr()).code.replace(code) }
    }

    /// Appends a record.
    #[inline]
    pub(crate) fn push(&mut self, make: impl FnOnce() -> Record) {
        if !self.has_room() {
            self.make_room();
        }
        let node = self.node().as_ptr();
        // SAFETY: (3) the node is live and lent for `&mut self`; it has room.
        unsafe { Log::push(&raw mut (*node).log, make) };
    }

    /// Appends a context, which becomes the outermost level.
    #[inline]
    pub(crate) fn push_context(&mut self, text: Cow<'static, str>, at: &'static Location<'static>) {
        if !self.has_room() {
            self.make_room();
        }
        let node = self.node().as_ptr();
        // SAFETY: (3) the node is live and lent for `&mut self`; it has room. (4) The record
        // goes into the log of the node that it points into.
        unsafe {
            let below = (*node).newest;
            let slot = Log::push(&raw mut (*node).log, || {
                Record::Context(ContextRecord::new(text, at, below))
            });
            (*node).newest = Link::context(slot);
        }
    }

    /// The next record needs no allocation.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        // SAFETY: (3) the node is live and lent for `&self`.
        !self.is_fixed() && unsafe { Log::has_room(&raw const (*self.node().as_ptr()).log) }
    }

    /// Makes a node out of static memory, or a block behind a full one.
    #[cold]
    #[inline(never)]
    pub(crate) fn make_room(&mut self) {
        match self.as_fixed() {
            Some(fixed) => self.promote(fixed),
            // SAFETY: (3) the node is live and lent for `&mut self`.
            None => unsafe { Log::grow(&raw mut (*self.node().as_ptr()).log) },
        }
    }

    /// Adds a hop to those that were added last. `false` if there are none, or too many.
    #[inline]
    pub(crate) fn add_hop(&mut self, at: &'static Location<'static>) -> bool {
        // SAFETY: (3) the node is live and lent for `&mut self`.
        !self.is_fixed() && unsafe { Log::add_hop(&raw mut (*self.node().as_ptr()).log, at) }
    }

    #[inline]
    fn is_fixed(&self) -> bool {
        is_tagged(self.0)
    }

    /// The node. The handle must not be `fixed`.
    #[inline]
    fn node(&self) -> NonNull<Header> {
        self.0.cast()
    }

    fn promote(&mut self, fixed: &'static Fixed) {
        *self = Self::plain(fixed, fixed.site());
        if let Some(code) = fixed.code() {
            self.set_code(code);
        }
    }
}

impl Drop for Handle {
    #[inline]
    fn drop(&mut self) {
        if !self.is_fixed() {
            // SAFETY: (3) the handle owns the node, and is gone after this.
            unsafe { Header::free(self.node()) };
        }
    }
}

// SAFETY: (5)
unsafe impl Send for Handle {}
// SAFETY: (5)
unsafe impl Sync for Handle {}
