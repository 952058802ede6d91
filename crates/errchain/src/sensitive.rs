//! Values that are never shown.

use core::fmt;

/// What stands in for a sensitive value, in every format.
pub(crate) const PLACEHOLDER: &str = "<sensitive>";

/// A value that prints a placeholder, also in `Debug`.
///
/// As a field of an error it is not even kept: the report says that there was one.
///
/// # Examples
///
/// ```
/// use errchain::{Sensitive, err};
///
/// let email = Sensitive::new("ada@example.org");
/// assert_eq!(format!("{email} {email:?}"), "<sensitive> <sensitive>");
/// assert_eq!(*email.expose(), "ada@example.org");
///
/// let error = err!("no such user").with("email", email);
/// assert!(!format!("{error:?}").contains("ada"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Hides a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for a line that reviewers can search for.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// The value itself, owned.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Display for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(PLACEHOLDER)
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(PLACEHOLDER)
    }
}
