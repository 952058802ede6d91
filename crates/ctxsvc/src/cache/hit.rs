//! What a cache answers with.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::entry::Answer;

/// A value, and where it is from. It derefs to the value, which is shared with the cache: a clone is
/// another handle to it.
pub struct Hit<V> {
    /// It has a value.
    answer: Arc<Answer<V>>,
    source: Source,
    is_stale: bool,
}

/// Where a value is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The memory of this process.
    Memory,
    /// Redis: another process has loaded it, or this one has before.
    Redis,
    /// The repository: this call has waited for a load.
    Origin,
}

impl Source {
    /// The word for it in metrics: `memory`, `redis` or `origin`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redis => "redis",
            Self::Origin => "origin",
        }
    }
}

impl<V> Hit<V> {
    /// None if the answer is that there is no value.
    pub(super) fn new(answer: Arc<Answer<V>>, source: Source) -> Option<Self> {
        let is_stale = false;
        answer.value.is_some().then_some(Self {
            answer,
            source,
            is_stale,
        })
    }

    pub(super) fn stale(answer: Arc<Answer<V>>) -> Option<Self> {
        let is_stale = true;
        Self::new(answer, Source::Memory).map(|hit| Self { is_stale, ..hit })
    }

    /// Where it is from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// Whether its time to live is over, and it was given because a newer one could not be had,
    /// or not in time.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.is_stale
    }
}

impl<V> Clone for Hit<V> {
    fn clone(&self) -> Self {
        Self {
            answer: Arc::clone(&self.answer),
            ..*self
        }
    }
}

impl<V> Deref for Hit<V> {
    type Target = V;

    fn deref(&self) -> &V {
        let value = self.answer.value.as_ref();
        value.expect("an answer without a value is no hit")
    }
}

impl<V: fmt::Debug> fmt::Debug for Hit<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hit")
            .field("value", &**self)
            .field("source", &self.source)
            .field("is_stale", &self.is_stale)
            .finish_non_exhaustive()
    }
}
