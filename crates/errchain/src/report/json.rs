//! The report as one line of JSON.

use alloc::string::String;

use super::level::{levels, write_message};
use super::sink::Sink;
use super::{Report, retry_name};
use crate::{Audience, CodeRef, Error, Field, Kind, Retry, Value};

/// The whole report.
pub(super) fn render(report: &Report<'_>) -> String {
    let mut sink = Sink::json();
    let mut json = Json {
        sink: &mut sink,
        is_cut: false,
    };
    let error = report.error;
    if report.audience == Audience::Client {
        json.client(error);
    } else {
        json.internal(error);
    }
    if report.shows_all() {
        json.list(",\"hops\":[", error.hops(), |sink, at| {
            sink.raw("\"");
            sink.location(at);
            sink.raw("\"");
        });
        #[cfg(feature = "backtrace")]
        if let Some(stack) = error.backtrace() {
            json.list(",\"stack\":[", stack.frames().iter(), frame);
            json.is_cut |= stack.is_cut();
        }
    }
    json.end();
    sink.finish()
}

/// The fields alone, as an array.
#[cfg(feature = "tracing")]
pub(super) fn render_fields(error: &Error) -> String {
    let mut sink = Sink::json();
    sink.raw("[");
    for (index, item) in error.fields().enumerate() {
        if index > 0 {
            sink.raw(",");
        }
        if !sink.has_room() {
            sink.raw("{\"is_cut\":true}");
            break;
        }
        field(&mut sink, item);
    }
    sink.raw("]");
    sink.finish()
}

struct Json<'s> {
    sink: &'s mut Sink,
    is_cut: bool,
}

impl Json<'_> {
    fn client(&mut self, error: &Error) {
        self.sink.raw("{\"title\":\"");
        self.sink.text(error.public_title());
        self.sink.raw("\"");
        self.code(error.code());
        self.kind(error.public_kind());
        let public = error.fields().filter(|field| field.is_public());
        self.list(",\"fields\":[", public, field);
    }

    fn internal(&mut self, error: &Error) {
        self.sink.raw("{\"message\":\"");
        write_message(self.sink, error.as_std());
        self.sink.raw("\"");
        let code = error.code();
        self.code(code);
        self.kind(code.map_or_else(|| error.kind(), CodeRef::kind));
        self.retry(code.map_or_else(|| error.retry(), CodeRef::retry));
        self.list(",\"chain\":[", levels(error), |sink, level| {
            sink.raw("{\"message\":\"");
            level.write(sink);
            if let Some(at) = level.at {
                sink.raw("\",\"at\":\"");
                sink.location(at);
            }
            sink.raw("\"}");
        });
        self.list(",\"fields\":[", error.fields(), field);
    }

    fn code(&mut self, code: Option<CodeRef<'_>>) {
        let Some(code) = code else { return };
        self.sink.raw(",\"code\":\"");
        self.sink.text(code.domain());
        self.sink.raw("/");
        self.sink.text(code.reason());
        self.sink.raw("\"");
    }

    fn kind(&mut self, kind: Kind) {
        self.sink.raw(",\"kind\":\"");
        self.sink.raw(kind.name());
        self.sink.raw("\"");
    }

    fn retry(&mut self, retry: Retry) {
        self.sink.raw(",\"retry\":\"");
        self.sink.raw(retry_name(retry));
        self.sink.raw("\"");
        if let Retry::After(after) = retry {
            self.sink.raw(",\"retry_after_seconds\":");
            self.sink.number(after.as_secs_f64());
        }
    }

    /// A member that is an array, which begins like this, left out if it would be empty.
    fn list<T>(
        &mut self,
        beginning: &str,
        items: impl Iterator<Item = T>,
        write: impl Fn(&mut Sink, T),
    ) {
        let mut is_empty = true;
        for item in items {
            if !self.sink.has_room() {
                self.is_cut = true;
                break;
            }
            self.sink.raw(if is_empty { beginning } else { "," });
            is_empty = false;
            write(self.sink, item);
        }
        if is_empty {
            return;
        }
        self.sink.raw("]");
    }

    fn end(&mut self) {
        if self.is_cut {
            self.sink.raw(",\"is_cut\":true");
        }
        self.sink.raw("}");
    }
}

fn field(sink: &mut Sink, field: &Field) {
    sink.raw("{\"key\":\"");
    sink.text(field.key());
    sink.raw("\",\"value\":");
    value(sink, field.value());
    sink.raw(if field.is_public() {
        ",\"public\":true}"
    } else {
        "}"
    });
}

#[cfg(feature = "backtrace")]
fn frame(sink: &mut Sink, frame: &crate::capture::Frame) {
    sink.raw("{\"offset\":\"");
    sink.number(format_args!("{:#x}", frame.offset()));
    sink.raw("\"");
    let names = [
        (",\"function\":\"", frame.function()),
        (",\"file\":\"", frame.file()),
        (",\"module\":\"", frame.module()),
        (",\"build_id\":\"", frame.build_id()),
    ];
    for (member, name) in names {
        if let Some(name) = name {
            sink.raw(member);
            sink.text(name);
            sink.raw("\"");
        }
    }
    if let Some(line) = frame.line() {
        sink.raw(",\"line\":");
        sink.number(line);
    }
    sink.raw("}");
}

/// A value as the JSON type that is nearest. A duration is its seconds.
pub(super) fn value(sink: &mut Sink, value: &Value) {
    match value {
        Value::Null => sink.raw("null"),
        Value::Bool(value) => sink.raw(if *value { "true" } else { "false" }),
        Value::I64(value) => {
            if *value < 0 {
                sink.raw("-");
            }
            sink.integer(value.unsigned_abs());
        }
        Value::U64(value) => sink.integer(*value),
        Value::F64(number) if number.is_finite() => sink.number(value),
        Value::Duration(value) => sink.number(value.as_secs_f64()),
        // JSON has no infinity.
        other => {
            sink.raw("\"");
            match other.as_str() {
                Some(text) => sink.text(text),
                None => sink.foreign(other),
            }
            sink.raw("\"");
        }
    }
}
