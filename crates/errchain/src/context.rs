//! `.context(...)` and its companions on `Result` and `Option`.

use alloc::borrow::Cow;
use core::error;
use core::panic::Location;

use crate::{Code, Error, Result, Value};

/// Adds to an error on its way up: on every `Result` whose error is a `std` error or an
/// [`Error`], and on `Option`, whose `None` becomes an error.
///
/// On `Ok` and `Some` a context costs nothing: it is a static text or a closure. A value is made
/// before it is known whether there is an error, which is free for numbers, durations and static
/// texts. One that has to be allocated, such as a borrowed `&str`, is added where there is one for
/// sure: `.map_err(|error| Error::new(error).with("name", name.to_owned()))`.
///
/// # Examples
///
/// ```
/// use errchain::{Context, Kind, Result, code};
///
/// code!(NOT_FOUND: "user", "NOT_FOUND", Kind::NotFound, "User not found");
///
/// fn rename(id: u64, name: Option<&'static str>) -> Result<()> {
///     let name = name.context("no name given").public("user_id", id)?;
///     std::fs::write("/no/such/folder/user", name)
///         .code(&NOT_FOUND)
///         .context("saving the name")
///         .with("user_id", id)
/// }
///
/// let error = rename(7, Some("ada")).unwrap_err();
/// assert_eq!(error.to_string(), "saving the name");
/// assert!(error.is(&NOT_FOUND));
/// assert_eq!(rename(7, None).unwrap_err().to_string(), "no name given");
/// ```
pub trait Context<T>: sealed::Sealed {
    /// Puts a text above the error: what was being done when it came up.
    ///
    /// # Errors
    ///
    /// The error of `self`, with the context; so do all the others.
    fn context<C: IntoContext>(self, context: C) -> Result<T>;

    /// The same, for those who know it from `anyhow`: [`context`](Self::context) takes closures
    /// too.
    ///
    /// # Errors
    ///
    /// See [`context`](Self::context).
    fn with_context<C: IntoContext>(self, context: C) -> Result<T>;

    /// Adds a field for logs and operators: see [`Error::with`].
    ///
    /// # Errors
    ///
    /// See [`context`](Self::context).
    fn with<V: Into<Value>>(self, key: &'static str, value: V) -> Result<T>;

    /// Adds a field that clients may see too: see [`Error::public`].
    ///
    /// # Errors
    ///
    /// See [`context`](Self::context).
    fn public<V: Into<Value>>(self, key: &'static str, value: V) -> Result<T>;

    /// Gives the error a code: see [`Error::with_code`].
    ///
    /// Whether a foreign error captures its stack is then up to this code; an [`Error`] has made
    /// that choice when it came up.
    ///
    /// # Errors
    ///
    /// See [`context`](Self::context).
    fn code(self, code: &'static Code) -> Result<T>;

    /// Records that the error passed here, as [`#[traced]`](https://docs.rs/errchain) does for
    /// every `?`.
    ///
    /// # Errors
    ///
    /// See [`context`](Self::context).
    fn hop(self) -> Result<T>;
}

/// What a context can be made of: a static text, or a closure that makes one.
///
/// A `String` cannot, because it would be built whether there is an error or not.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a context",
    label = "neither a `&'static str` nor a closure",
    note = "a text that has to be built goes in as a closure: `.context(|| format!(...))`"
)]
pub trait IntoContext {
    /// Puts it above the error. `at` is where that happens.
    #[doc(hidden)]
    fn above(self, error: Error, at: &'static Location<'static>) -> Error;

    /// Makes it an error of its own, where there was none.
    #[doc(hidden)]
    fn above_nothing(self, at: &'static Location<'static>) -> Error;
}

impl IntoContext for &'static str {
    // By itself and not by way of `Cow`: this is the path to be fast on, and a `&str` travels
    // in registers.
    #[inline]
    fn above(self, error: Error, at: &'static Location<'static>) -> Error {
        error.literal_context(self, at)
    }

    fn above_nothing(self, at: &'static Location<'static>) -> Error {
        Error::text(self.into(), at)
    }
}

impl<F, T> IntoContext for F
where
    F: FnOnce() -> T,
    T: Into<Cow<'static, str>>,
{
    fn above(self, error: Error, at: &'static Location<'static>) -> Error {
        error.owned_context(self().into(), at)
    }

    fn above_nothing(self, at: &'static Location<'static>) -> Error {
        Error::text(self().into(), at)
    }
}

impl<T, E: IntoError> Context<T> for Result<T, E> {
    #[inline]
    #[track_caller]
    fn context<C: IntoContext>(self, context: C) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => {
                let at = Location::caller();
                Err(context.above(error.into_error(at), at))
            }
        }
    }

    #[inline]
    #[track_caller]
    fn with_context<C: IntoContext>(self, context: C) -> Result<T> {
        self.context(context)
    }

    #[inline]
    #[track_caller]
    fn with<V: Into<Value>>(self, key: &'static str, value: V) -> Result<T> {
        match self {
            Ok(ok) => Ok(ok),
            Err(error) => Err(error.into_error(Location::caller()).with(key, value)),
        }
    }

    #[inline]
    #[track_caller]
    fn public<V: Into<Value>>(self, key: &'static str, value: V) -> Result<T> {
        match self {
            Ok(ok) => Ok(ok),
            Err(error) => Err(error.into_error(Location::caller()).public(key, value)),
        }
    }

    #[inline]
    #[track_caller]
    fn code(self, code: &'static Code) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(error.into_coded(code, Location::caller())),
        }
    }

    #[inline]
    #[track_caller]
    fn hop(self) -> Result<T> {
        match self {
            Ok(value) => Ok(value),
            Err(error) => {
                let at = Location::caller();
                Err(error.into_error(at).hop_at(at))
            }
        }
    }
}

/// What the error of a `None` says if nobody gave it a context.
const NO_VALUE: &str = "no value";

impl<T> Context<T> for Option<T> {
    #[inline]
    #[track_caller]
    fn context<C: IntoContext>(self, context: C) -> Result<T> {
        match self {
            Some(value) => Ok(value),
            None => Err(context.above_nothing(Location::caller())),
        }
    }

    #[inline]
    #[track_caller]
    fn with_context<C: IntoContext>(self, context: C) -> Result<T> {
        self.context(context)
    }

    #[inline]
    #[track_caller]
    fn with<V: Into<Value>>(self, key: &'static str, value: V) -> Result<T> {
        self.context(NO_VALUE).with(key, value)
    }

    #[inline]
    #[track_caller]
    fn public<V: Into<Value>>(self, key: &'static str, value: V) -> Result<T> {
        self.context(NO_VALUE).public(key, value)
    }

    #[inline]
    #[track_caller]
    fn code(self, code: &'static Code) -> Result<T> {
        match self {
            Some(value) => Ok(value),
            None => Err(code.err()),
        }
    }

    #[inline]
    #[track_caller]
    fn hop(self) -> Result<T> {
        self.context(NO_VALUE)
    }
}

/// Every error that an [`Error`] can be made of, and the `Error` itself.
#[allow(unnameable_types, reason = "nobody has to name it")]
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "no `errchain::Error` can be made of `{Self}`",
    label = "not a `std::error::Error` that is `Send`, `Sync` and `'static`",
    note = "of a `Box<dyn Error + Send + Sync>` make one by `.map_err(Error::from_boxed)`, of what can only be shown by `.map_err(Error::msg)`"
)]
pub trait IntoError {
    /// Converts it if need be: then `at` is where it came up.
    fn into_error(self, at: &'static Location<'static>) -> Error;

    /// The same with a code.
    fn into_coded(self, code: &'static Code, at: &'static Location<'static>) -> Error;
}

impl<E: error::Error + Send + Sync + 'static> IntoError for E {
    #[inline]
    fn into_error(self, at: &'static Location<'static>) -> Error {
        Error::convert(self, at)
    }

    #[inline]
    fn into_coded(self, code: &'static Code, at: &'static Location<'static>) -> Error {
        Error::convert_coded(self, code, at)
    }
}

impl IntoError for Error {
    #[inline]
    fn into_error(self, _: &'static Location<'static>) -> Error {
        self
    }

    #[inline]
    fn into_coded(self, code: &'static Code, _: &'static Location<'static>) -> Error {
        self.with_code(code)
    }
}

#[allow(unnameable_types, reason = "so that nobody else implements `Context`")]
mod sealed {
    pub trait Sealed {}
    impl<T, E: super::IntoError> Sealed for Result<T, E> {}
    impl<T> Sealed for Option<T> {}
}
