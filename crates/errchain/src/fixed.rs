//! Roots that need no allocation, or hardly one.

use alloc::borrow::Cow;
use alloc::string::String;
use core::error;
use core::fmt::{self, Write};
use core::panic::Location;

use crate::Code;

/// An error in static memory: what `err!`, `bail!` and `ensure!` make of a literal or a code.
#[derive(Debug)]
pub struct Fixed {
    message: &'static str,
    code: Option<&'static Code>,
    site: &'static Location<'static>,
}

impl Fixed {
    /// Only a message.
    #[track_caller]
    #[must_use]
    pub const fn literal(message: &'static str) -> Self {
        Self {
            message,
            code: None,
            site: Location::caller(),
        }
    }

    /// A code, whose title is the message.
    #[track_caller]
    #[must_use]
    pub const fn coded(code: &'static Code) -> Self {
        Self::coded_literal(code, code.title())
    }

    /// A code and a message.
    #[track_caller]
    #[must_use]
    pub const fn coded_literal(code: &'static Code, message: &'static str) -> Self {
        Self {
            message,
            code: Some(code),
            site: Location::caller(),
        }
    }

    pub(crate) const fn message(&self) -> &'static str {
        self.message
    }

    pub(crate) const fn code(&self) -> Option<&'static Code> {
        self.code
    }

    pub(crate) const fn site(&self) -> &'static Location<'static> {
        self.site
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl error::Error for Fixed {}

/// The root of `CODE.err()`.
#[derive(Debug)]
pub(crate) struct Coded(pub(crate) &'static Code);

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.title())
    }
}

impl error::Error for Coded {}

/// The text, also of a `Display` that fails: `format!` would panic.
pub(crate) fn to_text(args: fmt::Arguments<'_>) -> String {
    // Enough for most messages, in one allocation.
    let mut text = String::with_capacity(64);
    if text.write_fmt(args).is_err() {
        text.push_str("<display failed>");
    }
    text
}

/// The root of an error that is only a text.
#[derive(Debug)]
pub(crate) struct Message(pub(crate) Cow<'static, str>);

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Message {}

/// It is one of the roots above, which stand for a text or a code and not for an error of another
/// type.
#[cfg(feature = "tracing")]
pub(crate) fn is_made_here(root: &(dyn error::Error + Send + Sync + 'static)) -> bool {
    // In a node, static memory is behind a reference.
    root.is::<Fixed>() || root.is::<&Fixed>() || root.is::<Coded>() || root.is::<Message>()
}
