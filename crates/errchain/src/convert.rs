//! In from foreign errors, and out again.

use core::error;
use core::panic::Location;

use crate::{Error, StdError};

/// What `?` calls. It remembers where the `?` is.
impl<E: error::Error + Send + Sync + 'static> From<E> for Error {
    #[inline]
    #[track_caller]
    fn from(error: E) -> Self {
        Self::convert(error, Location::caller())
    }
}

impl Error {
    /// The outermost level as a [`std::error::Error`], whose sources are the levels below.
    #[must_use]
    pub fn as_std(&self) -> &(dyn error::Error + Send + Sync + 'static) {
        self.handle.outermost()
    }

    /// The whole error as a [`std::error::Error`].
    #[must_use]
    pub fn into_std(self) -> StdError {
        self.into()
    }

    /// What it was made from, if that was an `E`.
    ///
    /// Contexts, fields and code are above it and do not hide it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::num::ParseIntError;
    /// use errchain::{Context, Result};
    ///
    /// let number: Result<u8> = "x".parse().context("reading a number");
    /// assert!(number.unwrap_err().downcast_ref::<ParseIntError>().is_some());
    /// ```
    #[must_use]
    pub fn downcast_ref<E: error::Error + Send + Sync + 'static>(&self) -> Option<&E> {
        self.handle.root().downcast_ref()
    }

    /// The same for writing.
    #[must_use]
    pub fn downcast_mut<E: error::Error + Send + Sync + 'static>(&mut self) -> Option<&mut E> {
        self.handle.root_mut()?.downcast_mut()
    }

    /// What it was made from, owned. All that was added to it is dropped.
    ///
    /// # Errors
    ///
    /// The error itself, if it was not made from an `E`.
    pub fn downcast<E: error::Error + Send + Sync + 'static>(self) -> Result<E, Self> {
        self.handle.take().map_err(|handle| Self { handle })
    }
}

impl AsRef<dyn error::Error + Send + Sync> for Error {
    fn as_ref(&self) -> &(dyn error::Error + Send + Sync + 'static) {
        self.as_std()
    }
}

impl AsRef<dyn error::Error> for Error {
    fn as_ref(&self) -> &(dyn error::Error + 'static) {
        self.as_std()
    }
}
