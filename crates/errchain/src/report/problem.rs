//! The members of a problem document (RFC 9457).

use alloc::string::String;

use super::json::value;
use super::sink::Sink;
use crate::{CodeRef, Error, Field};

/// The field that is a member of its own.
const DETAIL: &str = "detail";

/// The members that are not the error's own.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place<'a> {
    pub(crate) type_base: Option<&'a str>,
    pub(crate) instance: Option<&'a str>,
}

/// The whole document. Everything in it is public.
pub(crate) fn render(error: &Error, place: Place<'_>) -> String {
    let mut sink = Sink::json();
    write(error, place, &mut sink);
    sink.finish()
}

fn write(error: &Error, place: Place<'_>, sink: &mut Sink) {
    sink.raw("{\"type\":\"");
    match (place.type_base, error.code()) {
        (Some(base), Some(code)) => {
            sink.text(base);
            sink.text(code.domain());
            sink.raw("/");
            sink.text(code.reason());
        }
        _ => sink.raw("about:blank"),
    }
    sink.raw("\",\"title\":\"");
    sink.text(error.public_title());
    sink.raw("\",\"status\":");
    sink.number(status(error));
    if let Some(detail) = public(error).find(|field| field.key() == DETAIL) {
        sink.raw(",\"detail\":");
        value(sink, detail.value());
    }
    if let Some(instance) = place.instance {
        sink.raw(",\"instance\":\"");
        sink.text(instance);
        sink.raw("\"");
    }
    if let Some(code) = error.code() {
        sink.raw(",\"code\":\"");
        sink.text(code.domain());
        sink.raw("/");
        sink.text(code.reason());
        sink.raw("\"");
    }
    let is_cut = fields(error, sink);
    if is_cut {
        sink.raw(",\"is_cut\":true");
    }
    sink.raw("}");
}

/// The status that a client may be told.
pub(crate) fn status(error: &Error) -> u16 {
    let of_kind = || error.public_kind().http_status();
    error.code().map_or_else(of_kind, CodeRef::http_status)
}

fn public(error: &Error) -> impl Iterator<Item = &Field> {
    error.fields().filter(|field| field.is_public())
}

/// The public fields as one member with a member each. A key that was given more than once has
/// an array of its values, in their order. Says whether some were left out.
fn fields(error: &Error, sink: &mut Sink) -> bool {
    let public = || public(error).filter(|field| field.key() != DETAIL);
    let mut is_first = true;
    let mut is_cut = false;
    for (index, field) in public().enumerate() {
        if public()
            .take(index)
            .any(|earlier| earlier.key() == field.key())
        {
            continue;
        }
        if !sink.has_room() {
            is_cut = true;
            break;
        }
        sink.raw(if is_first { ",\"fields\":{\"" } else { ",\"" });
        is_first = false;
        sink.text(field.key());
        sink.raw("\":");
        is_cut |= values(sink, || public().filter(|other| other.key() == field.key()));
    }
    sink.raw(if is_first { "" } else { "}" });
    is_cut
}

fn values<'f, I>(sink: &mut Sink, same_key: impl Fn() -> I) -> bool
where
    I: Iterator<Item = &'f Field>,
{
    let is_alone = same_key().nth(1).is_none();
    if !is_alone {
        sink.raw("[");
    }
    let mut is_cut = false;
    for (index, field) in same_key().enumerate() {
        if !sink.has_room() {
            is_cut = true;
            break;
        }
        if index > 0 {
            sink.raw(",");
        }
        value(sink, field.value());
    }
    sink.raw(if is_alone { "" } else { "]" });
    is_cut
}
