//! The report as text, with colours or without.

use core::fmt;
use core::panic::Location;

use super::level::levels;
use super::sink::Sink;
use super::{Report, retry_name};
use crate::{Audience, Error, Field, Value};

/// Writes the report.
pub(super) fn write(report: &Report<'_>, sink: &mut Sink<'_>, has_colour: bool) -> fmt::Result {
    let mut text = Text { sink, has_colour };
    if report.audience == Audience::Client {
        return text.client(report.error);
    }
    text.chain(report.error)?;
    text.code(report.error)?;
    text.fields(report.error.fields())?;
    if report.shows_all() {
        text.hops(report.error)?;
        #[cfg(feature = "backtrace")]
        text.stack(report.error)?;
    }
    Ok(())
}

/// Select Graphic Rendition, the few that every terminal knows.
#[derive(Clone, Copy)]
enum Style {
    Message,
    Dim,
    Key,
}

impl Style {
    fn start(self) -> &'static str {
        match self {
            Self::Message => "\u{1b}[1;31m",
            Self::Dim => "\u{1b}[2m",
            Self::Key => "\u{1b}[36m",
        }
    }
}

struct Text<'s, 'a> {
    sink: &'s mut Sink<'a>,
    has_colour: bool,
}

impl<'a> Text<'_, 'a> {
    fn client(&mut self, error: &Error) -> fmt::Result {
        self.sink.text(error.public_title())?;
        if let Some(code) = error.code() {
            self.line("code", |sink| {
                sink.text(code.domain())?;
                sink.raw("/")?;
                sink.text(code.reason())
            })?;
        }
        self.fields(error.fields().filter(|field| field.is_public()))
    }

    fn chain(&mut self, error: &Error) -> fmt::Result {
        let mut levels = levels(error);
        if let Some(outermost) = levels.next() {
            self.styled(Style::Message, |sink| sink.foreign(outermost.error))?;
            self.at(outermost.at)?;
        }
        for level in levels {
            if !self.has_room()? {
                return Ok(());
            }
            self.sink.raw("\ncaused by: ")?;
            self.sink.foreign(level.error)?;
            self.at(level.at)?;
        }
        Ok(())
    }

    fn at(&mut self, at: Option<&'static Location<'static>>) -> fmt::Result {
        let Some(at) = at else { return Ok(()) };
        self.styled(Style::Dim, |sink| {
            sink.raw("\n  at ")?;
            sink.location(at)
        })
    }

    fn code(&mut self, error: &Error) -> fmt::Result {
        let Some(code) = error.code() else {
            return Ok(());
        };
        self.line("code", |sink| {
            sink.text(code.domain())?;
            sink.raw("/")?;
            sink.text(code.reason())?;
            sink.raw(", ")?;
            sink.raw(code.kind().name())?;
            if code.retry().is_retryable() {
                sink.raw(", retry ")?;
                sink.raw(retry_name(code.retry()))?;
            }
            Ok(())
        })
    }

    fn fields<'f>(&mut self, fields: impl Iterator<Item = &'f Field>) -> fmt::Result {
        for field in fields {
            if !self.has_room()? {
                return Ok(());
            }
            self.line(field.key(), |sink| match field.value() {
                Value::Static(text) => quoted(sink, text),
                Value::Text(text) => quoted(sink, text),
                other => sink.foreign(other),
            })?;
        }
        Ok(())
    }

    fn hops(&mut self, error: &Error) -> fmt::Result {
        for at in error.hops() {
            if !self.has_room()? {
                return Ok(());
            }
            self.line("passed", |sink| sink.location(at))?;
        }
        Ok(())
    }

    #[cfg(feature = "backtrace")]
    fn stack(&mut self, error: &Error) -> fmt::Result {
        let Some(stack) = error.backtrace() else {
            return Ok(());
        };
        self.sink.raw("\nstack:")?;
        let frames = stack.frames();
        let fitting = self.sink.fitting_lines(frames.text());
        self.sink.raw(fitting)?;
        if fitting.len() < frames.text().len() {
            return self.cut();
        }
        if stack.is_cut() {
            self.sink.raw("\n  … (deeper frames were not kept)")?;
        }
        Ok(())
    }

    /// One more item fits, or else the report says that it ends here.
    fn has_room(&mut self) -> Result<bool, fmt::Error> {
        let has_room = self.sink.has_room();
        if !has_room {
            self.cut()?;
        }
        Ok(has_room)
    }

    fn cut(&mut self) -> fmt::Result {
        self.sink.raw("\n… (report cut)")
    }

    fn line(&mut self, key: &str, value: impl FnOnce(&mut Sink<'a>) -> fmt::Result) -> fmt::Result {
        self.sink.raw("\n")?;
        self.styled(Style::Key, |sink| {
            sink.text(key)?;
            sink.raw(":")
        })?;
        self.sink.raw(" ")?;
        value(self.sink)
    }

    fn styled(
        &mut self,
        style: Style,
        write: impl FnOnce(&mut Sink<'a>) -> fmt::Result,
    ) -> fmt::Result {
        if self.has_colour {
            self.sink.raw(style.start())?;
        }
        write(self.sink)?;
        if self.has_colour {
            self.sink.raw("\u{1b}[0m")?;
        }
        Ok(())
    }
}

/// Text in quotes, so that it cannot pass for a number or for nothing.
fn quoted(sink: &mut Sink<'_>, text: &str) -> fmt::Result {
    sink.raw("\"")?;
    sink.text(text)?;
    sink.raw("\"")
}
