//! The members of a problem document (RFC 9457).

use alloc::string::String;
use alloc::vec::Vec;

use super::json::value;
use super::sink::Sink;
use crate::{CodeRef, Error, Field, Value};

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
    let detail = detail(error);
    if let Some(detail) = detail {
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
    let is_cut = fields(error, detail, sink);
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

/// What the member `detail` says: it is a text, and the outermost one if there are several.
fn detail(error: &Error) -> Option<&Field> {
    public(error)
        .filter(|field| field.key() == DETAIL && is_text(field.value()))
        .last()
}

/// It is a string in JSON.
fn is_text(value: &Value) -> bool {
    matches!(
        value,
        Value::Static(_) | Value::Text(_) | Value::Display(_) | Value::Sensitive
    )
}

/// The public fields as one member with a member each. A key that was given more than once has
/// an array of its values, in their order. Says whether some were left out.
fn fields(error: &Error, detail: Option<&Field>, sink: &mut Sink) -> bool {
    let is_detail = |field: &Field| detail.is_some_and(|detail| core::ptr::eq(detail, field));
    let mut public: Vec<_> = public(error)
        .filter(|field| !is_detail(field))
        .enumerate()
        .collect();
    // Stable, so that those of one key stay in their order.
    public.sort_by_key(|(_, field)| field.key());
    let mut keys: Vec<_> = public
        .chunk_by(|(_, left), (_, right)| left.key() == right.key())
        .collect();
    keys.sort_by_key(|same_key| same_key.first().map(|(index, _)| *index));

    let mut is_first = true;
    let mut is_cut = false;
    for same_key in keys {
        if !sink.has_room() {
            is_cut = true;
            break;
        }
        sink.raw(if is_first { ",\"fields\":{" } else { "," });
        is_first = false;
        is_cut |= key_with_values(sink, same_key);
    }
    sink.raw(if is_first { "" } else { "}" });
    is_cut
}

/// The member for a key, for whose first value there is room.
fn key_with_values(sink: &mut Sink, same_key: &[(usize, &Field)]) -> bool {
    let is_alone = same_key.len() == 1;
    let mut is_cut = false;
    for (index, (_, field)) in same_key.iter().enumerate() {
        if index == 0 {
            sink.raw("\"");
            sink.text(field.key());
            sink.raw(if is_alone { "\":" } else { "\":[" });
        } else if sink.has_room() {
            sink.raw(",");
        } else {
            is_cut = true;
            break;
        }
        value(sink, field.value());
    }
    sink.raw(if is_alone { "" } else { "]" });
    is_cut
}
