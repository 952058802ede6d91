//! What the macros expand to. Not part of the API.

use core::fmt;
use core::ops::ControlFlow;
use core::panic::Location;
use core::task::Poll;

pub use crate::assertions::{assert_chain, assert_code, assert_field};
pub use crate::fixed::Fixed;
use crate::fixed::{Message, to_text};
use crate::{Code, Error, raw};

/// An error with a text that is not known at compile time.
#[cold]
#[track_caller]
pub fn format(args: fmt::Arguments<'_>) -> Error {
    let at = Location::caller();
    match args.as_str() {
        Some(text) => Error::text(text.into(), at),
        None => Error::text(to_text(args).into(), at),
    }
}

/// The same with a code.
#[cold]
#[track_caller]
pub fn format_coded(code: &'static Code, args: fmt::Arguments<'_>) -> Error {
    Error::coded(Message(to_text(args).into()), code, Location::caller())
}

/// The literal has nothing for `format_args!` to fill in or to unescape.
#[must_use]
pub const fn is_plain(literal: &str) -> bool {
    let bytes = literal.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        if matches!(bytes[index], b'{' | b'}') {
            return false;
        }
        index += 1;
    }
    true
}

/// What `#[traced]` puts around the operand of each `?`.
#[inline]
#[track_caller]
pub fn hop<T: Hop>(operand: T) -> T {
    operand.hop(Location::caller())
}

/// Everything that `?` can stand behind on stable Rust.
#[diagnostic::on_unimplemented(
    message = "`?` cannot stand behind `{Self}`",
    label = "neither a `Result` nor an `Option`",
    note = "if it is a future, `.await` is missing"
)]
pub trait Hop: Sized {
    /// Records a hop if it holds an error of ours.
    #[must_use]
    fn hop(self, at: &'static Location<'static>) -> Self;
}

impl<T, E> Hop for Result<T, E> {
    #[inline]
    fn hop(self, at: &'static Location<'static>) -> Self {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(raw::hop_if_ours(error, at)),
        }
    }
}

impl<T, E> Hop for Poll<Result<T, E>> {
    #[inline]
    fn hop(self, at: &'static Location<'static>) -> Self {
        match self {
            Self::Ready(result) => Self::Ready(result.hop(at)),
            Self::Pending => Self::Pending,
        }
    }
}

impl<T, E> Hop for Poll<Option<Result<T, E>>> {
    #[inline]
    fn hop(self, at: &'static Location<'static>) -> Self {
        match self {
            Self::Ready(Some(result)) => Self::Ready(Some(result.hop(at))),
            other => other,
        }
    }
}

impl<T> Hop for Option<T> {
    #[inline]
    fn hop(self, _: &'static Location<'static>) -> Self {
        self
    }
}

impl<B, C> Hop for ControlFlow<B, C> {
    #[inline]
    fn hop(self, _: &'static Location<'static>) -> Self {
        self
    }
}
