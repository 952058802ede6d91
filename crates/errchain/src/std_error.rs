//! The handle as a `std::error::Error`.

use alloc::boxed::Box;
use core::error;
use core::fmt;

use crate::Error;

/// An [`Error`] that implements [`std::error::Error`], as wide as the error itself.
///
/// `Error` does not implement it, so that `?` can convert everything that does. Where the trait
/// is asked for, in the `#[source]` of another error type or behind a bound, this stands in.
/// Going back by `?` or `Error::from` unwraps it: no second node, and nothing is lost.
///
/// As the source of another error it is `#[source]`, bare or in a `Box` or `Arc`, and **never**
/// `#[error(transparent)]`: a transparent error answers `source` with what lies *below* this one,
/// so that nobody can find it any more, and with it its code, fields and hops.
///
/// # Examples
///
/// ```
/// use errchain::{Error, StdError, err};
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("loading failed")]
/// struct LoadError(#[source] StdError);
///
/// let error = Error::new(LoadError(err!("disk is full").into_std()));
/// assert_eq!(format!("{error:#}"), "loading failed: disk is full");
/// ```
#[repr(transparent)]
pub struct StdError(Error);

impl StdError {
    /// What stands behind it.
    pub const fn as_error(&self) -> &Error {
        &self.0
    }

    /// What stands behind it, owned.
    pub fn into_error(self) -> Error {
        self.0
    }
}

impl error::Error for StdError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.handle.outermost().source()
    }
}

impl fmt::Display for StdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for StdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Error> for StdError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<Error> for Box<dyn error::Error + Send + Sync> {
    fn from(error: Error) -> Self {
        Box::new(StdError(error))
    }
}

impl From<Error> for Box<dyn error::Error> {
    fn from(error: Error) -> Self {
        Box::new(StdError(error))
    }
}
