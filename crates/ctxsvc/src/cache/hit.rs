//! What a cache answers with.

use std::ops::Deref;
use std::sync::Arc;

/// A value, and where it is from. It derefs to the value.
#[derive(Debug)]
pub struct Hit<V> {
    value: Arc<V>,
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
    pub(super) fn new(value: Arc<V>, source: Source) -> Self {
        let is_stale = false;
        Self {
            value,
            source,
            is_stale,
        }
    }

    pub(super) fn stale(value: Arc<V>) -> Self {
        let (source, is_stale) = (Source::Memory, true);
        Self {
            value,
            source,
            is_stale,
        }
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

    /// The value itself, which is shared with the cache.
    #[must_use]
    pub fn into_inner(self) -> Arc<V> {
        self.value
    }
}

impl<V> Clone for Hit<V> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            ..*self
        }
    }
}

impl<V> Deref for Hit<V> {
    type Target = V;

    fn deref(&self) -> &V {
        &self.value
    }
}
