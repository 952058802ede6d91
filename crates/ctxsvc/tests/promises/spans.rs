//! A subscriber that remembers.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Record};
use tracing::{Id, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Writes down what becomes of spans.
#[derive(Clone, Default)]
pub(crate) struct Spans(Arc<Mutex<Vec<String>>>);

impl Spans {
    fn write(&self, line: String) {
        self.0.lock().expect("nobody panics here").push(line);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().expect("nobody panics here").clone()
    }
}

struct Fields(Vec<String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push(format!(" {field}={value:?}"));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        let mut fields = Fields(Vec::new());
        attributes.record(&mut fields);
        let span = cx.span(id).expect("it is new");
        let parent = span.parent().map_or("nothing", |parent| parent.name());
        self.write(format!("{} in {parent}:{}", span.name(), fields.0.concat()));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, cx: Context<'_, S>) {
        let mut fields = Fields(Vec::new());
        values.record(&mut fields);
        let name = cx.span(id).map_or("?", |span| span.name());
        self.write(format!("{name}:{}", fields.0.concat()));
    }

    fn on_follows_from(&self, id: &Id, from: &Id, cx: Context<'_, S>) {
        let name = |id| cx.span(id).map_or("?", |span| span.name());
        self.write(format!("{} follows from {}", name(id), name(from)));
    }
}
