//! Spans that are carried from the caller into the job.
#![cfg(feature = "tracing")]

use std::sync::{Arc, Mutex};
use std::thread;

use elastic_pool::blocking::Pool;
use tracing::{Id, info_span, subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// Writes down who enters which span, and leaves it.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl Recorder {
    fn write<S: tracing::Subscriber + for<'a> LookupSpan<'a>>(
        &self,
        what: &str,
        id: &Id,
        cx: &Context<'_, S>,
    ) {
        let name = cx.span(id).map_or("?", |span| span.name());
        let thread = thread::current();
        let line = format!("{} {what} {name}", thread.name().unwrap_or("?"));
        self.0.lock().expect("nobody panics here").push(line);
    }

    /// What the workers did.
    fn lines(&self) -> Vec<String> {
        let lines = self.0.lock().expect("nobody panics here");
        let of_workers = lines.iter().filter(|line| line.starts_with("pool-"));
        of_workers.cloned().collect()
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Recorder {
    fn on_enter(&self, id: &Id, cx: Context<'_, S>) {
        self.write("enters", id, &cx);
    }

    fn on_exit(&self, id: &Id, cx: Context<'_, S>) {
        self.write("leaves", id, &cx);
    }

    fn on_close(&self, id: Id, cx: Context<'_, S>) {
        self.write("closes", &id, &cx);
    }
}

#[test]
fn a_job_runs_in_the_span_in_which_it_was_submitted() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let recorder = Recorder::default();
    let subscriber = Registry::default().with(recorder.clone());
    subscriber::with_default(subscriber, || -> Result {
        let handle = info_span!("request").in_scope(|| pool.try_submit(|| 1))?;
        // The caller has let go of its span: the job's end is the span's.
        assert_eq!(handle.join()?, 1);
        assert_eq!(
            recorder.lines(),
            [
                "pool-0 enters request",
                "pool-0 leaves request",
                "pool-0 closes request"
            ]
        );
        pool.try_submit(|| 2)?.join()?;
        assert_eq!(recorder.lines().len(), 3, "no span, no trace");
        Ok(())
    })
}

#[test]
fn a_job_that_panics_leaves_its_span() -> Result {
    let pool = Pool::builder().workers(1..=1).build()?;
    let recorder = Recorder::default();
    let subscriber = Registry::default().with(recorder.clone());
    subscriber::with_default(subscriber, || -> Result {
        let handle = info_span!("request").in_scope(|| pool.try_submit(|| panic!("no")))?;
        let result: std::result::Result<(), _> = handle.join();
        assert!(result.is_err_and(|error| error.is_panicked()));
        assert_eq!(recorder.lines().len(), 3, "{:?}", recorder.lines());
        Ok(())
    })
}
