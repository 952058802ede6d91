//! The report as text, with colours or without.

use alloc::string::String;
use core::panic::Location;

use super::level::levels;
use super::sink::Sink;
use super::{Report, retry_name};
use crate::{Audience, Error, Field, Value};

/// The whole report.
pub(super) fn render(report: &Report<'_>, has_colour: bool) -> String {
    let mut sink = Sink::line();
    let mut text = Text {
        sink: &mut sink,
        has_colour,
    };
    if report.audience == Audience::Client {
        text.client(report.error);
        return sink.finish();
    }
    text.chain(report.error);
    text.code(report.error);
    text.fields(report.error.fields());
    if report.shows_all() {
        text.hops(report.error);
        #[cfg(feature = "backtrace")]
        text.stack(report.error);
    }
    sink.finish()
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

struct Text<'s> {
    sink: &'s mut Sink,
    has_colour: bool,
}

impl Text<'_> {
    fn client(&mut self, error: &Error) {
        self.sink.text(error.public_title());
        if let Some(code) = error.code() {
            self.line("code", |sink| {
                sink.text(code.domain());
                sink.raw("/");
                sink.text(code.reason());
            });
        }
        self.fields(error.fields().filter(|field| field.is_public()));
    }

    fn chain(&mut self, error: &Error) {
        let mut levels = levels(error);
        if let Some(outermost) = levels.next() {
            self.styled(Style::Message, |sink| outermost.write(sink));
            self.at(outermost.at);
        }
        for level in levels {
            if !self.has_room() {
                return;
            }
            self.sink.raw("\ncaused by: ");
            level.write(self.sink);
            self.at(level.at);
        }
    }

    fn at(&mut self, at: Option<&'static Location<'static>>) {
        let Some(at) = at else { return };
        self.styled(Style::Dim, |sink| {
            sink.raw("\n  at ");
            sink.location(at);
        });
    }

    fn code(&mut self, error: &Error) {
        let Some(code) = error.code() else {
            return;
        };
        self.line("code", |sink| {
            sink.text(code.domain());
            sink.raw("/");
            sink.text(code.reason());
            sink.raw(", ");
            sink.raw(code.kind().name());
            if code.retry().is_retryable() {
                sink.raw(", retry ");
                sink.raw(retry_name(code.retry()));
            }
        });
    }

    fn fields<'f>(&mut self, fields: impl Iterator<Item = &'f Field>) {
        for field in fields {
            if !self.has_room() {
                return;
            }
            self.line(field.key(), |sink| match field.value() {
                Value::Static(text) => quoted(sink, text),
                Value::Text(text) => quoted(sink, text),
                other => sink.foreign(other),
            });
        }
    }

    fn hops(&mut self, error: &Error) {
        for at in error.hops() {
            if !self.has_room() {
                return;
            }
            self.line("passed", |sink| sink.location(at));
        }
    }

    #[cfg(feature = "backtrace")]
    fn stack(&mut self, error: &Error) {
        let Some(stack) = error.backtrace() else {
            return;
        };
        self.sink.raw("\nstack:");
        let frames = stack.frames();
        let fitting = self.sink.fitting_lines(frames.text());
        self.sink.raw(fitting);
        if fitting.len() < frames.text().len() {
            return self.cut();
        }
        if stack.is_cut() {
            self.sink.raw("\n  … (deeper frames were not kept)");
        }
    }

    /// One more item fits, or else the report says that it ends here.
    fn has_room(&mut self) -> bool {
        let has_room = self.sink.has_room();
        if !has_room {
            self.cut();
        }
        has_room
    }

    fn cut(&mut self) {
        self.sink.raw("\n… (report cut)");
    }

    fn line(&mut self, key: &str, value: impl FnOnce(&mut Sink)) {
        self.sink.raw("\n");
        self.styled(Style::Key, |sink| {
            sink.text(key);
            sink.raw(":");
        });
        self.sink.raw(" ");
        value(self.sink);
    }

    fn styled(&mut self, style: Style, write: impl FnOnce(&mut Sink)) {
        if self.has_colour {
            self.sink.raw(style.start());
        }
        write(self.sink);
        if self.has_colour {
            self.sink.raw("\u{1b}[0m");
        }
    }
}

/// Text in quotes, so that it cannot pass for a number or for nothing.
fn quoted(sink: &mut Sink, text: &str) {
    sink.raw("\"");
    sink.text(text);
    sink.raw("\"");
}
