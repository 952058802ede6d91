//! The heap node: a header that every node starts with, and a payload that only its vtable knows.

use core::error;
use core::mem::ManuallyDrop;
use core::panic::Location;
use core::ptr::NonNull;

use alloc::boxed::Box;

use super::context::Link;
use super::log::Log;
use crate::Code;

pub(super) type DynError = dyn error::Error + Send + Sync + 'static;

/// What all nodes have in common.
pub(super) struct Header {
    vtable: &'static VTable,
    /// The level that is outermost now.
    pub(super) newest: Link,
    pub(super) code: Option<&'static Code>,
    pub(super) site: &'static Location<'static>,
    pub(super) log: Log,
}

#[repr(C)]
struct Node<P> {
    header: Header,
    payload: P,
}

/// What can be done to a payload whose type is forgotten.
struct VTable {
    /// Frees the node. It must be live and not be used again.
    free: unsafe fn(NonNull<Header>),
    /// Where the payload's error lies. The node must be live, and not borrowed mutably.
    error: unsafe fn(NonNull<Header>) -> NonNull<DynError>,
    /// The same for writing. The node must be live and not borrowed at all.
    error_mut: unsafe fn(NonNull<Header>) -> NonNull<DynError>,
    /// The error lies in a box of its own.
    is_boxed: bool,
    /// The name of the error's type, as far as it is known.
    #[cfg(feature = "tracing")]
    type_name: fn() -> &'static str,
}

/// What a node can hold.
pub(super) trait Payload: Send + Sync + 'static {
    const IS_BOXED: bool;
    #[cfg(feature = "tracing")]
    fn type_name() -> &'static str;
    fn error(&self) -> &DynError;
    fn error_mut(&mut self) -> &mut DynError;
}

/// An error by value.
pub(super) struct Plain<E>(E);

/// An error whose type was forgotten before it got here.
pub(super) struct Boxed(Box<DynError>);

impl<E: error::Error + Send + Sync + 'static> Payload for Plain<E> {
    const IS_BOXED: bool = false;
    #[cfg(feature = "tracing")]
    fn type_name() -> &'static str {
        core::any::type_name::<E>()
    }
    fn error(&self) -> &DynError {
        &self.0
    }
    fn error_mut(&mut self) -> &mut DynError {
        &mut self.0
    }
}

impl Payload for Boxed {
    const IS_BOXED: bool = true;
    #[cfg(feature = "tracing")]
    fn type_name() -> &'static str {
        "dyn core::error::Error"
    }
    fn error(&self) -> &DynError {
        &*self.0
    }
    fn error_mut(&mut self) -> &mut DynError {
        &mut *self.0
    }
}

impl Header {
    /// A node around this error.
    #[inline]
    pub(super) fn with_plain<E>(error: E, site: &'static Location<'static>) -> NonNull<Self>
    where
        E: error::Error + Send + Sync + 'static,
    {
        Node::alloc(Plain(error), site)
    }

    /// A node around the error in this box.
    pub(super) fn with_boxed(
        error: Box<DynError>,
        site: &'static Location<'static>,
    ) -> NonNull<Self> {
        Node::alloc(Boxed(error), site)
    }

    /// # Safety
    ///
    /// (2), and the node must live and not be borrowed mutably for `'a`.
    pub(super) unsafe fn root<'a>(this: NonNull<Self>) -> &'a DynError {
        // SAFETY: the caller's; the vtable is that of the node's own payload type.
        unsafe {
            let error = (*this.as_ptr()).vtable.error;
            error(this).as_ref()
        }
    }

    /// # Safety
    ///
    /// (2), and the node must live and not be borrowed at all for `'a`.
    pub(super) unsafe fn root_mut<'a>(this: NonNull<Self>) -> &'a mut DynError {
        // SAFETY: the caller's; the vtable is that of the node's own payload type.
        unsafe {
            let error_mut = (*this.as_ptr()).vtable.error_mut;
            error_mut(this).as_mut()
        }
    }

    /// The name of the root's type.
    #[cfg(feature = "tracing")]
    pub(super) fn type_name(&self) -> &'static str {
        (self.vtable.type_name)()
    }

    /// Frees the node and keeps its error.
    ///
    /// # Safety
    ///
    /// (2), the caller owns the node, it is not used again, and its root is an `E`.
    pub(super) unsafe fn take<E>(this: NonNull<Self>) -> E
    where
        E: error::Error + Send + Sync + 'static,
    {
        // SAFETY: the caller's. A root that is an `E` lies in a `Plain<E>` or in a box, and a
        // `ManuallyDrop<P>` is laid out as `P`.
        unsafe {
            if (*this.as_ptr()).vtable.is_boxed {
                let node = Box::from_raw(this.cast::<Node<ManuallyDrop<Boxed>>>().as_ptr());
                let Boxed(error) = ManuallyDrop::into_inner(node.payload);
                *error.downcast().expect("the caller has looked at the type")
            } else {
                let node = Box::from_raw(this.cast::<Node<ManuallyDrop<Plain<E>>>>().as_ptr());
                ManuallyDrop::into_inner(node.payload).0
            }
        }
    }

    /// # Safety
    ///
    /// (2), the caller owns the node, and it is not used again.
    #[inline]
    pub(super) unsafe fn free(this: NonNull<Self>) {
        // SAFETY: the caller's; the vtable is that of the node's own payload type.
        unsafe {
            let free = (*this.as_ptr()).vtable.free;
            free(this);
        }
    }
}

impl<P: Payload> Node<P> {
    const VTABLE: VTable = VTable {
        free: Self::free,
        error: Self::error,
        error_mut: Self::error_mut,
        is_boxed: P::IS_BOXED,
        #[cfg(feature = "tracing")]
        type_name: P::type_name,
    };

    #[inline]
    fn alloc(payload: P, site: &'static Location<'static>) -> NonNull<Header> {
        let node = Box::into_raw(Box::<Self>::new_uninit()).cast::<Self>();
        // SAFETY: `Box::into_raw` never returns null; a node starts with its header.
        let this = unsafe { NonNull::new_unchecked(node) }.cast::<Header>();
        // Field by field: a node made on the stack would be copied with its empty slots.
        // SAFETY: the box is valid for writes, and every field is written once.
        unsafe {
            let header = this.as_ptr();
            (&raw mut (*header).vtable).write(&Self::VTABLE);
            (&raw mut (*header).newest).write(Link::root(this));
            (&raw mut (*header).code).write(None);
            (&raw mut (*header).site).write(site);
            Log::init(&raw mut (*header).log);
            (&raw mut (*node).payload).write(payload);
        }
        this
    }

    unsafe fn free(this: NonNull<Header>) {
        // SAFETY: the caller's; the vtable makes sure that it is a `Node<P>`.
        drop(unsafe { Box::from_raw(this.cast::<Self>().as_ptr()) });
    }

    unsafe fn error(this: NonNull<Header>) -> NonNull<DynError> {
        // SAFETY: as above. Shared, because others may look at the same time.
        let payload = unsafe { &(*this.cast::<Self>().as_ptr()).payload };
        NonNull::from(payload.error())
    }

    unsafe fn error_mut(this: NonNull<Header>) -> NonNull<DynError> {
        // SAFETY: as above. The caller has the node for itself.
        let payload = unsafe { &mut (*this.cast::<Self>().as_ptr()).payload };
        NonNull::from(payload.error_mut())
    }
}
