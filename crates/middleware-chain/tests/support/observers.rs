//! What looks at spans and metrics from outside.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary needs a part of it"
)]

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard};

use metrics::{
    Counter, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// The fields of each span named `request`, and which of them are closed, in the order of closing.
#[derive(Clone, Default)]
pub struct Spans(Arc<Mutex<SpansInner>>);

#[derive(Default)]
struct SpansInner {
    open: HashMap<u64, Fields>,
    closed: Vec<Fields>,
}

pub type Fields = HashMap<String, String>;

impl Spans {
    pub fn open(&self) -> usize {
        self.inner().open.len()
    }

    pub fn take_closed(&self) -> Vec<Fields> {
        std::mem::take(&mut self.inner().closed)
    }

    fn inner(&self) -> MutexGuard<'_, SpansInner> {
        self.0.lock().expect("no panic")
    }
}

impl<S: Subscriber + for<'l> LookupSpan<'l>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        if attributes.metadata().target() == "middleware_chain" {
            let mut fields = Seen::default();
            attributes.record(&mut fields);
            self.inner().open.insert(id.into_u64(), fields.0);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(fields) = self.inner().open.get_mut(&id.into_u64()) {
            let mut seen = Seen::default();
            values.record(&mut seen);
            fields.extend(seen.0);
        }
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        let mut inner = self.inner();
        if let Some(fields) = inner.open.remove(&id.into_u64()) {
            inner.closed.push(fields);
        }
    }
}

#[derive(Default)]
struct Seen(Fields);

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        self.0
            .insert(field.name().to_owned(), value.trim_matches('"').to_owned());
    }
}

/// The sum of all gauges, and each value of a histogram with its labels.
#[derive(Clone, Default)]
pub struct Figures(Arc<Mutex<FiguresInner>>);

#[derive(Default)]
struct FiguresInner {
    active: f64,
    active_max: f64,
    values: Vec<(String, Fields)>,
}

impl Figures {
    pub fn active(&self) -> f64 {
        self.inner().active
    }

    pub fn active_max(&self) -> f64 {
        self.inner().active_max
    }

    /// The labels of each value of a histogram.
    pub fn take(&self, name: &str) -> Vec<Fields> {
        let mut inner = self.inner();
        let values = std::mem::take(&mut inner.values).into_iter();
        values.filter(|it| it.0 == name).map(|it| it.1).collect()
    }

    fn inner(&self) -> MutexGuard<'_, FiguresInner> {
        self.0.lock().expect("no panic")
    }
}

impl GaugeFn for Figures {
    fn increment(&self, value: f64) {
        let mut inner = self.inner();
        inner.active += value;
        inner.active_max = inner.active_max.max(inner.active);
    }

    fn decrement(&self, value: f64) {
        self.inner().active -= value;
    }

    fn set(&self, value: f64) {
        self.inner().active = value;
    }
}

struct Values(Figures, Key);

impl HistogramFn for Values {
    fn record(&self, value: f64) {
        assert!(value.is_finite() && value >= 0.0);
        let labels = self.1.labels();
        let labels = labels.map(|it| (it.key().to_owned(), it.value().to_owned()));
        let entry = (self.1.name().to_owned(), labels.collect());
        self.0.inner().values.push(entry);
    }
}

impl Recorder for Figures {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::new(self.clone()))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Values(self.clone(), key.clone())))
    }
}
