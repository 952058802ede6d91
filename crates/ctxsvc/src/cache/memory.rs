//! The memory level: decoded values, bounded by weight. The one place that knows of `quick_cache`.

use std::hash::Hash;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter};

pub(super) struct Memory<K, T> {
    /// None remembers nothing.
    cache: Option<Cache<K, Weighed<T>, ByWeight>>,
}

#[derive(Clone)]
pub(super) struct Weighed<T> {
    entry: T,
    weight: u64,
}

#[derive(Clone)]
struct ByWeight;

/// What has to be dropped once no lock is held: a value's `Drop` is foreign code.
pub(super) type Evicted<K, T> = (
    Option<(K, Weighed<T>)>,
    <DefaultLifecycle<K, Weighed<T>> as Lifecycle<K, Weighed<T>>>::RequestState,
);

impl<K: Eq + Hash + Clone, T: Clone> Memory<K, T> {
    pub(super) fn new(capacity: u64) -> Self {
        // An estimate of how many there will be, from which the shards are made.
        let items = usize::try_from(capacity.clamp(1, 1 << 20)).expect("it is small");
        let cache = (capacity > 0).then(|| {
            let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
            Cache::with(items, capacity, ByWeight, hasher, lifecycle)
        });
        Self { cache }
    }

    pub(super) fn get(&self, key: &K) -> Option<T> {
        Some(self.cache.as_ref()?.get(key)?.entry)
    }

    /// As `get`, without being an argument for keeping it.
    pub(super) fn peek(&self, key: &K) -> Option<T> {
        Some(self.cache.as_ref()?.peek(key)?.entry)
    }

    /// What weighs more than there is room for is not kept.
    pub(super) fn insert(&self, key: &K, entry: T, weight: u64) -> Evicted<K, T> {
        let Some(cache) = &self.cache else {
            return Default::default();
        };
        let (before, mut evicted) = (cache.remove(key), Default::default());
        cache.insert_with_lifecycle(key.clone(), Weighed { entry, weight }, &mut evicted);
        (before, evicted)
    }

    pub(super) fn remove(&self, key: &K) -> Evicted<K, T> {
        let before = self.cache.as_ref().and_then(|cache| cache.remove(key));
        (before, Default::default())
    }

    pub(super) fn len(&self) -> usize {
        self.cache.as_ref().map_or(0, Cache::len)
    }
}

impl<K, T> Weighter<K, Weighed<T>> for ByWeight {
    fn weight(&self, _key: &K, weighed: &Weighed<T>) -> u64 {
        // What weighs nothing would never be evicted.
        weighed.weight.max(1)
    }
}
