//! A context in the record log: a level of the chain with a link to the level below.

use alloc::borrow::Cow;
use core::error;
use core::fmt;
use core::panic::Location;
use core::ptr::NonNull;

use super::handle::{is_tagged, tag, untag};
use super::node::{DynError, Header};
use crate::record::Record;

/// One `.context(...)`. It is a `dyn Error` of its own, whose source is the level below.
pub(crate) struct ContextRecord {
    text: Cow<'static, str>,
    at: &'static Location<'static>,
    below: Link,
}

impl ContextRecord {
    /// # Safety
    ///
    /// The record must go into the log of the node that `below` points into, and stay there.
    #[inline]
    pub(super) unsafe fn new(
        text: Cow<'static, str>,
        at: &'static Location<'static>,
        below: Link,
    ) -> Self {
        Self { text, at, below }
    }

    #[inline]
    pub(crate) fn owns_memory(&self) -> bool {
        matches!(self.text, Cow::Owned(_))
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn at(&self) -> &'static Location<'static> {
        self.at
    }
}

impl fmt::Display for ContextRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ContextRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl error::Error for ContextRecord {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        // SAFETY: (4) the record lies in its node, which therefore lives as long as `self`.
        Some(unsafe { self.below.as_error() })
    }
}

/// Where a level lies: the record of a context or, tagged, the node and so its root.
#[derive(Clone, Copy)]
pub(super) struct Link(NonNull<()>);

impl Link {
    /// The root of this node.
    #[inline]
    pub(super) fn root(header: NonNull<Header>) -> Self {
        Self(tag(header))
    }

    /// A context in the log. The pointer must come from `Log::push`: a reference to the record
    /// would be invalidated when the record before it is looked at for writing.
    #[inline]
    pub(super) fn context(record: NonNull<Record>) -> Self {
        Self(record.cast())
    }

    /// # Safety
    ///
    /// The node must live for `'a`, and not be borrowed mutably in it.
    pub(super) unsafe fn as_error<'a>(self) -> &'a DynError {
        if is_tagged(self.0) {
            // SAFETY: (2) a tagged link comes from a header, and its node is live.
            return unsafe { Header::root(untag(self.0)) };
        }
        // SAFETY: (4) an untagged link points at a record, which never moves.
        match unsafe { self.0.cast::<Record>().as_ref() } {
            Record::Context(context) => context,
            other => unreachable!("a link points at a context, not at {other:?}"),
        }
    }
}

// SAFETY: (5) a link is a shared reference to a level, and levels are Sync.
unsafe impl Send for Link {}
// SAFETY: (5) as above.
unsafe impl Sync for Link {}
