//! The error type: how it is made and what can be added to it.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use core::any::Any;
use core::error;
use core::fmt;
use core::panic::Location;

use crate::fixed::{Fixed, Message, to_text};
use crate::raw::Handle;
use crate::record::{Field, Hops, Record};
use crate::{Code, IntoContext, StdError, Value};

/// A `Result` whose error is an [`Error`] unless another one is named.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// An error with its chain of contexts, its fields, its code and the way it came.
///
/// One word wide, so that a `Result` of it costs the happy path nothing. Any `std` error
/// becomes one by `?`; [`err!`](crate::err!), [`bail!`](crate::bail!) and
/// [`ensure!`](crate::ensure!) make one out of a text or a [`Code`].
///
/// It prints its outermost level with `{}`, the whole chain in one line with `{:#}`, and a
/// report for whoever operates the program with `{:?}`. What a client may see is in
/// [`report`](Self::report).
///
/// # Performance
///
/// Made by a macro from a literal or a code alone, it points at static memory: no allocation.
/// Else it is one allocation of some 600 bytes, in which the first eleven records fit (a context, a
/// field and a run of five hops are a record each); every further sixteen share another.
///
/// # Examples
///
/// ```
/// use errchain::{Context, Result};
///
/// fn port(text: &str) -> Result<u16> {
///     Ok(text.parse().context("reading the port").with("length", text.len())?)
/// }
///
/// let error = port("http").unwrap_err();
/// assert_eq!(format!("{error}"), "reading the port");
/// assert_eq!(format!("{error:#}"), "reading the port: invalid digit found in string");
/// ```
#[must_use]
#[repr(transparent)]
pub struct Error {
    pub(crate) handle: Handle,
}

impl Error {
    /// Wraps an error; `?` and `Error::from` do the same.
    #[cold]
    #[track_caller]
    pub fn new(error: impl error::Error + Send + Sync + 'static) -> Self {
        Self::convert(error, Location::caller())
    }

    /// An error that is only a text, for what has no [`std::error::Error`]: `map_err(Error::msg)`.
    #[cold]
    #[track_caller]
    pub fn msg(message: impl fmt::Display) -> Self {
        Self::text(
            to_text(format_args!("{message}")).into(),
            Location::caller(),
        )
    }

    /// Takes over an error whose type has been forgotten. [`downcast_ref`](Self::downcast_ref)
    /// still finds it.
    ///
    /// Not a `From`, because the box is not an error itself, and the compiler reserves that it
    /// may become one.
    #[cold]
    #[track_caller]
    pub fn from_boxed(error: Box<dyn error::Error + Send + Sync + 'static>) -> Self {
        match error.downcast::<StdError>() {
            Ok(ours) => ours.into_error(),
            Err(error) => Self::born(Handle::boxed(error, Location::caller()), None),
        }
    }

    /// Puts a text above the error: what was being done when it came up.
    ///
    /// # Examples
    ///
    /// ```
    /// use errchain::err;
    ///
    /// let error = err!("connection refused").context("loading the user");
    /// assert_eq!(format!("{error:#}"), "loading the user: connection refused");
    /// ```
    #[track_caller]
    pub fn context(self, context: impl IntoContext) -> Self {
        context.above(self, Location::caller())
    }

    /// Adds a field for logs and operators.
    ///
    /// Of two fields with one key both are kept, in the order in which they were added.
    ///
    /// # Examples
    ///
    /// ```
    /// use errchain::{Value, err};
    ///
    /// let error = err!("no such user").with("user_id", 7);
    /// assert_eq!(error.field("user_id"), Some(&Value::I64(7)));
    /// ```
    #[inline]
    pub fn with(self, key: &'static str, value: impl Into<Value>) -> Self {
        self.field_at(key, value, false)
    }

    /// Adds a field that clients may see too.
    #[inline]
    pub fn public(self, key: &'static str, value: impl Into<Value>) -> Self {
        self.field_at(key, value, true)
    }

    /// Gives it a code. The last one given is [`code`](Self::code); [`is`](Self::is) knows the
    /// earlier ones too.
    pub fn with_code(self, code: &'static Code) -> Self {
        self.code_at(code)
    }

    /// Records that the error passed here.
    ///
    /// `#[traced]` does it for each `?` of a function.
    #[inline]
    #[track_caller]
    pub fn hop(self) -> Self {
        self.hop_at(Location::caller())
    }

    #[doc(hidden)]
    #[inline]
    pub fn from_fixed(fixed: &'static Fixed) -> Self {
        Self::born(Handle::fixed(fixed), fixed.code())
    }

    /// An error that came up here, unless it is one of ours already.
    #[inline]
    pub(crate) fn convert<E>(error: E, site: &'static Location<'static>) -> Self
    where
        E: error::Error + Send + Sync + 'static,
    {
        // A `match`, because a call would be a frame at the top of every stack in a debug build.
        match Self::unwrap(error) {
            Ok(ours) => ours,
            Err(error) => Self::at(error, site),
        }
    }

    /// The same with a code, which decides with the policy whether the stack is captured.
    #[inline]
    pub(crate) fn convert_coded<E>(
        error: E,
        code: &'static Code,
        site: &'static Location<'static>,
    ) -> Self
    where
        E: error::Error + Send + Sync + 'static,
    {
        match Self::unwrap(error) {
            Ok(ours) => ours.with_code(code),
            Err(error) => Self::coded(error, code, site),
        }
    }

    /// An error of ours, with its node and its site, or else what was given.
    #[inline]
    fn unwrap<E: error::Error + Send + Sync + 'static>(error: E) -> Result<Self, E> {
        // Decided at compile time for each `E`.
        let mut error = Some(error);
        let slot: &mut dyn Any = &mut error;
        if let Some(ours) = slot.downcast_mut().and_then(Option::<StdError>::take) {
            return Ok(ours.into_error());
        }
        if let Some(ours) = slot.downcast_mut().and_then(Option::<Box<StdError>>::take) {
            return Ok(ours.into_error());
        }
        Err(error.expect("only errors of ours are taken out"))
    }

    #[inline]
    pub(crate) fn at<E>(root: E, site: &'static Location<'static>) -> Self
    where
        E: error::Error + Send + Sync + 'static,
    {
        Self::born(Handle::plain(root, site), None)
    }

    /// An error that has a code from the start.
    pub(crate) fn coded<E>(root: E, code: &'static Code, site: &'static Location<'static>) -> Self
    where
        E: error::Error + Send + Sync + 'static,
    {
        let mut handle = Handle::plain(root, site);
        handle.set_code(code);
        Self::born(handle, Some(code))
    }

    #[cold]
    pub(crate) fn text(text: Cow<'static, str>, site: &'static Location<'static>) -> Self {
        Self::at(Message(text), site)
    }

    /// Every new error passes here.
    #[inline]
    #[cfg_attr(
        not(feature = "backtrace"),
        expect(unused_variables, reason = "for the policy")
    )]
    fn born(handle: Handle, code: Option<&'static Code>) -> Self {
        #[cfg(feature = "backtrace")]
        if crate::capture::is_wanted(code, handle.site()) {
            return Self::with_stack(handle);
        }
        Self { handle }
    }

    #[cfg(feature = "backtrace")]
    #[cold]
    #[inline(never)]
    fn with_stack(mut handle: Handle) -> Self {
        let stack = crate::capture::Backtrace::capture();
        handle.push(|| Record::Stack(stack));
        Self { handle }
    }

    #[inline(never)]
    pub(crate) fn literal_context(
        mut self,
        text: &'static str,
        at: &'static Location<'static>,
    ) -> Self {
        if self.handle.has_room() {
            self.handle.push_context(Cow::Borrowed(text), at);
            return self;
        }
        // In a tail call, so that the common case has no registers to save.
        self.owned_context(Cow::Borrowed(text), at)
    }

    #[inline(never)]
    pub(crate) fn owned_context(
        mut self,
        text: Cow<'static, str>,
        at: &'static Location<'static>,
    ) -> Self {
        self.handle.push_context(text, at);
        self
    }

    #[inline(never)]
    pub(crate) fn code_at(mut self, code: &'static Code) -> Self {
        if let Some(replaced) = self.handle.set_code(code) {
            self.handle.push(|| Record::Recoded(replaced));
        }
        self
    }

    // Inlined, for a call costs as much as what it does, and there is one at each `?`.
    #[inline]
    pub(crate) fn hop_at(mut self, at: &'static Location<'static>) -> Self {
        if self.handle.add_hop(at) {
            return self;
        }
        self.first_hop(at)
    }

    #[inline(never)]
    fn first_hop(mut self, at: &'static Location<'static>) -> Self {
        self.handle.push(|| Record::Hops(Hops::new(at)));
        self
    }

    // The value is converted only when its record is written. Before, it would be stored in parts
    // and loaded as a whole, for which processors wait longer than the rest of this takes.
    #[allow(clippy::inline_always, reason = "measured: see above")]
    #[inline(always)]
    fn field_at(mut self, key: &'static str, value: impl Into<Value>, is_public: bool) -> Self {
        self.handle
            .push(|| Record::Field(Field::new(key, value.into(), is_public)));
        self
    }
}
