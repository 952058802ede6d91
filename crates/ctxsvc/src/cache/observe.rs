//! What can be seen of a cache from outside. Nothing of a key or of a value is in it.
//!
//! Without the features `metrics` and `tracing` all of this is nothing.

use std::time::Duration;

use super::{CacheError, Hit, Source};

/// What the crate `metrics` is told. The recorder has to be there when the cache is built, so that a
/// value from memory costs one addition.
pub(super) struct Meter {
    #[cfg(feature = "metrics")]
    figures: figures::Figures,
}

/// The outcome of a load: in metrics, and in the field `error.type` of its span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loaded {
    Ok,
    Failed,
    TimedOut,
    Panicked,
}

impl Loaded {
    pub(super) fn of<T, E: std::error::Error>(loaded: &Result<T, CacheError<E>>) -> Self {
        match loaded {
            Ok(_) => Self::Ok,
            Err(CacheError::TimedOut { .. }) => Self::TimedOut,
            Err(CacheError::Panicked) => Self::Panicked,
            Err(_) => Self::Failed,
        }
    }

    #[cfg(any(feature = "metrics", feature = "tracing"))]
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::TimedOut => "timeout",
            Self::Panicked => "panic",
        }
    }
}

#[cfg(not(feature = "metrics"))]
#[allow(clippy::unused_self, reason = "there is nobody to tell")]
impl Meter {
    pub(super) fn new(_cache: &str) -> Self {
        Self {}
    }

    pub(super) fn answered<V, E: std::error::Error>(
        &self,
        _answer: &Result<Option<Hit<V>>, CacheError<E>>,
        _if_absent: Source,
    ) {
    }

    pub(super) fn loaded(&self, _loaded: Loaded, _took: Duration) {}

    pub(super) fn invalidated(&self) {}
}

#[cfg(feature = "metrics")]
impl Meter {
    pub(super) fn new(cache: &str) -> Self {
        let figures = figures::Figures::new(cache);
        Self { figures }
    }

    /// `if_absent` has said so, if there is no value.
    pub(super) fn answered<V, E: std::error::Error>(
        &self,
        answer: &Result<Option<Hit<V>>, CacheError<E>>,
        if_absent: Source,
    ) {
        self.figures.answered(answer, if_absent);
    }

    /// The repository has answered, or has not.
    pub(super) fn loaded(&self, loaded: Loaded, took: Duration) {
        self.figures.loaded(loaded, took);
    }

    pub(super) fn invalidated(&self) {
        self.figures.invalidations.increment(1);
    }
}

#[cfg(feature = "metrics")]
mod figures {
    use std::time::Duration;

    use metrics::{
        Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram,
    };

    use super::{CacheError, Hit, Loaded, Source};

    pub(super) struct Figures {
        /// By the level.
        hits: [Counter; 3],
        absent: [Counter; 3],
        stale: Counter,
        errors: Counter,
        given_up: Counter,
        loads: [Histogram; 4],
        pub(super) invalidations: Counter,
    }

    impl Figures {
        pub(super) fn new(cache: &str) -> Self {
            describe();
            let requests = |level: &'static str, result: &'static str| {
                counter!(
                    "cache.requests",
                    "cache.name" => cache.to_owned(), "cache.level" => level, "cache.result" => result,
                )
            };
            let each = |result| {
                let levels = [Source::Memory, Source::Redis, Source::Origin];
                levels.map(|level| requests(level.as_str(), result))
            };
            let loads = [
                Loaded::Ok,
                Loaded::Failed,
                Loaded::TimedOut,
                Loaded::Panicked,
            ];
            Self {
                hits: each("hit"),
                absent: each("absent"),
                stale: requests("memory", "stale"),
                errors: requests("origin", "error"),
                given_up: requests("none", "given_up"),
                loads: loads.map(|loaded| {
                    histogram!(
                        "cache.load.duration",
                        "cache.name" => cache.to_owned(), "cache.result" => loaded.as_str(),
                    )
                }),
                invalidations: counter!("cache.invalidations", "cache.name" => cache.to_owned()),
            }
        }

        pub(super) fn answered<V, E: std::error::Error>(
            &self,
            answer: &Result<Option<Hit<V>>, CacheError<E>>,
            if_absent: Source,
        ) {
            let counter = match answer {
                Ok(Some(hit)) if hit.is_stale() => &self.stale,
                Ok(Some(hit)) => &self.hits[hit.source() as usize],
                Ok(None) => &self.absent[if_absent as usize],
                Err(CacheError::Done(_)) => &self.given_up,
                Err(_) => &self.errors,
            };
            counter.increment(1);
        }

        pub(super) fn loaded(&self, loaded: Loaded, took: Duration) {
            self.loads[loaded as usize].record(took.as_secs_f64());
        }
    }

    fn describe() {
        describe_counter!(
            "cache.requests",
            "Keys that a cache was asked for, by where the answer is from"
        );
        describe_histogram!(
            "cache.load.duration",
            Unit::Seconds,
            "How long the repository has taken for a load, of one key or of several"
        );
        describe_counter!(
            "cache.invalidations",
            "Keys that were to be forgotten, because they were written or by name"
        );
    }
}

/// The span of a flight: no child of the caller's, because it goes on without it and others wait for
/// it too, but linked to it. `keys` is how many it brings.
#[cfg(feature = "tracing")]
pub(super) fn traced<F: Future>(
    cache: &str,
    keys: usize,
    flight: F,
) -> tracing::instrument::Instrumented<F> {
    use tracing::Instrument;

    let span = tracing::info_span!(
        parent: None,
        "cache.load",
        cache.name = cache,
        cache.keys = keys,
        error.r#type = tracing::field::Empty,
    );
    span.follows_from(tracing::Span::current());
    flight.instrument(span)
}

#[cfg(not(feature = "tracing"))]
pub(super) fn traced<F: Future>(_cache: &str, _keys: usize, flight: F) -> F {
    flight
}

/// Tells the span of a flight that it has failed.
pub(super) fn failed(loaded: Loaded) {
    #[cfg(feature = "tracing")]
    if loaded != Loaded::Ok {
        tracing::Span::current().record("error.type", loaded.as_str());
    }
    #[cfg(not(feature = "tracing"))]
    let _ = loaded;
}
