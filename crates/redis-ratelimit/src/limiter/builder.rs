//! The settings of a limiter.

#[cfg(feature = "redis")]
use std::time::Duration;

use super::{Backend, Limiter};
use crate::MemoryStore;
#[cfg(feature = "redis")]
use crate::{FailurePolicy, RedisStore};

/// The settings of a [`Limiter`], from [`Limiter::builder`].
#[derive(Debug, Clone)]
#[must_use = "settings do nothing until `build` is called"]
pub struct LimiterBuilder {
    store: Store,
    #[cfg(feature = "redis")]
    pub(super) budget: Duration,
    #[cfg(feature = "redis")]
    pub(super) coalesces: bool,
    #[cfg(feature = "redis")]
    pub(super) denials: Option<usize>,
}

#[derive(Debug, Clone)]
enum Store {
    Memory(MemoryStore),
    #[cfg(feature = "redis")]
    Redis(RedisStore, FailurePolicy),
}

impl LimiterBuilder {
    pub(super) fn new() -> Self {
        Self {
            store: Store::Memory(MemoryStore::new()),
            #[cfg(feature = "redis")]
            budget: Duration::from_millis(50),
            #[cfg(feature = "redis")]
            coalesces: false,
            #[cfg(feature = "redis")]
            denials: None,
        }
    }

    /// Keeps the state in this process. Without a store a new [`MemoryStore`] is used.
    pub fn memory(mut self, store: MemoryStore) -> Self {
        self.store = Store::Memory(store);
        self
    }

    /// Keeps the state in Redis, and says what to do with a check that it does not answer.
    ///
    /// There is no default for that: an API may be open while Redis is away, a login may not.
    #[cfg(feature = "redis")]
    pub fn redis(mut self, store: RedisStore, on_failure: FailurePolicy) -> Self {
        self.store = Store::Redis(store, on_failure);
        self
    }

    /// How long a decision may take, in all: waiting for a connection, for the answer, and for a
    /// second attempt where that does no harm. 50 milliseconds unless set, one at least and an
    /// hour at most.
    #[cfg(feature = "redis")]
    pub const fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Lets checks that have to wait share a call to Redis: several times the throughput of many
    /// tasks, and none the worse for a lone one.
    ///
    /// It is exact: checks are decided one after the other, as they came, and those of one
    /// [`check_all`](crate::Limiter::check_all) all or none. A call is shared by those who ask for
    /// the same quotas.
    #[cfg(feature = "redis")]
    pub const fn coalesce(mut self) -> Self {
        self.coalesces = true;
        self
    }

    /// Remembers denials of up to `keys` keys, and answers from there as long as they hold.
    ///
    /// It is exact: what it denies Redis would deny too, unless another process has refunded or
    /// reset a key or raised a quota within the last second. It applies to single checks of
    /// [`Policy::gcra`](crate::Policy::gcra) and
    /// [`Policy::fixed_window`](crate::Policy::fixed_window).
    #[cfg(feature = "redis")]
    pub const fn deny_cache(mut self, keys: usize) -> Self {
        self.denials = Some(keys);
        self
    }

    /// Builds the limiter.
    #[must_use]
    pub fn build(self) -> Limiter {
        let backend = match self.store {
            Store::Memory(store) => Backend::Memory(store),
            #[cfg(feature = "redis")]
            Store::Redis(ref store, on_failure) => {
                let remote = super::Remote::new(store.clone(), on_failure, &self);
                Backend::Redis(std::sync::Arc::new(remote))
            }
        };
        Limiter { backend }
    }
}
