//! What is shown of an error, to whom, and in which format.

mod display;
mod escape;
mod json;
mod level;
#[cfg(feature = "http")]
pub(crate) mod problem;
mod sink;
mod text;

use core::fmt;

use crate::{CodeRef, Error, Field, Kind, Retry};

/// For whom a report is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Audience {
    /// Somebody outside: the code, its title and public fields, and nothing else.
    Client,
    /// Logs: the chain, where its levels come from, and all fields.
    Log,
    /// Whoever looks into the failure: hops and the stack too.
    Operator,
}

/// An error made readable: what [`Error::report`] returns. It prints itself with `{}`.
///
/// No report has more than 256 KiB, and none has more than 4 KiB of one text in it; what is cut
/// says so. Control characters are escaped, so that no value can forge a line.
///
/// # Examples
///
/// ```
/// use errchain::{Audience, Kind, code, err};
///
/// code!(NOT_FOUND: "user", "NOT_FOUND", Kind::NotFound, "User not found");
/// let error = err!(NOT_FOUND, "no row").public("user_id", 7).with("shard", 3);
///
/// let client = error.report().audience(Audience::Client).json().to_string();
/// assert_eq!(
///     client,
///     r#"{"title":"User not found","code":"user/NOT_FOUND","kind":"NOT_FOUND","fields":[{"key":"user_id","value":7,"public":true}]}"#
/// );
/// ```
#[derive(Clone, Copy)]
#[must_use]
pub struct Report<'a> {
    error: &'a Error,
    audience: Audience,
    format: Format,
}

#[derive(Clone, Copy)]
enum Format {
    Text { has_colour: bool },
    Json,
}

impl Error {
    /// The error made readable: plain text for logs, unless told otherwise.
    pub fn report(&self) -> Report<'_> {
        Report {
            error: self,
            audience: Audience::Log,
            format: Format::Text { has_colour: false },
        }
    }

    /// What a client may be told in one line: the title of the code, or of the kind.
    pub(crate) fn public_title(&self) -> &str {
        self.code()
            .map_or_else(|| self.public_kind().title(), CodeRef::title)
    }

    /// What kind of failure a client may be told.
    ///
    /// Without a code nothing is the client's fault: a file that this program misses is not
    /// something that the client has asked for.
    pub(crate) fn public_kind(&self) -> Kind {
        let kind = self.kind();
        if self.code().is_none() && kind.is_client_error() {
            return Kind::Unknown;
        }
        kind
    }
}

impl Report<'_> {
    /// For whom it is; [`Audience::Log`] if nothing else is said.
    pub fn audience(mut self, audience: Audience) -> Self {
        self.audience = audience;
        self
    }

    /// Text without colours, as it is if nothing else is said.
    pub fn plain(self) -> Self {
        self.coloured(false)
    }

    /// Text with colours if standard error is a terminal and `NO_COLOR` is not set.
    #[cfg(feature = "std")]
    pub fn pretty(self) -> Self {
        use std::io::IsTerminal as _;

        let no_color = std::env::var_os("NO_COLOR");
        self.coloured(is_colour_wanted(no_color, std::io::stderr().is_terminal()))
    }

    /// Text with or without colours, whatever it is written to.
    pub fn coloured(mut self, has_colour: bool) -> Self {
        self.format = Format::Text { has_colour };
        self
    }

    /// One line of JSON. Its members are in the book; those with nothing in them are left out.
    pub fn json(mut self) -> Self {
        self.format = Format::Json;
        self
    }

    /// The fields alone, as a JSON array.
    #[cfg(feature = "tracing")]
    pub(crate) fn fields_json(&self) -> alloc::string::String {
        json::render_fields(self.error)
    }

    fn shows_all(&self) -> bool {
        self.audience == Audience::Operator
    }
}

/// As <https://no-color.org> says: an empty value counts as none.
#[cfg(feature = "std")]
fn is_colour_wanted(no_color: Option<std::ffi::OsString>, is_terminal: bool) -> bool {
    is_terminal && no_color.is_none_or(|value| value.is_empty())
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.format {
            Format::Text { has_colour } => text::render(self, has_colour),
            Format::Json => json::render(self),
        };
        f.write_str(&text)
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A field as `key=value` in one line.
pub(crate) fn field_line(field: &Field) -> alloc::string::String {
    let mut sink = sink::Sink::line();
    sink.text(field.key());
    sink.raw("=");
    sink.foreign(field.value());
    sink.finish()
}

/// A text as it stands in a line of a report, whatever its length.
#[cfg(feature = "backtrace")]
pub(crate) fn escaped_line(text: &str) -> alloc::string::String {
    let mut line = alloc::string::String::new();
    escape::write(&mut line, text, escape::Target::Line);
    line
}

/// A retry in one word, and the seconds of [`Retry::After`].
fn retry_name(retry: Retry) -> &'static str {
    match retry {
        Retry::Never => "never",
        Retry::Immediate => "immediate",
        Retry::After(_) => "after",
        Retry::Backoff => "backoff",
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_whose_user_does_not_object() {
        for (no_color, is_terminal, is_wanted) in [
            (None, true, true),
            (Some(""), true, true),
            (Some("1"), true, false),
            (None, false, false),
            (Some("1"), false, false),
        ] {
            let outcome = is_colour_wanted(no_color.map(Into::into), is_terminal);
            assert_eq!(outcome, is_wanted, "{no_color:?} {is_terminal}");
        }
    }
}
