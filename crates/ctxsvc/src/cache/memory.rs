//! The memory level: decoded values, bounded by weight. The one place that knows of `quick_cache`.

use std::hash::Hash;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter};

pub(super) struct Memory<K, T> {
    /// None remembers nothing.
    cache: Option<Cache<K, T, ByWeight>>,
}

/// What takes up some of the capacity. It always weighs the same.
pub(super) trait Weighed {
    fn weight(&self) -> u64;
}

#[derive(Clone)]
struct ByWeight;

/// What has to be dropped once no lock is held: a value's `Drop` is foreign code.
pub(super) type Evicted<K, T> = (
    Option<(K, T)>,
    <DefaultLifecycle<K, T> as Lifecycle<K, T>>::RequestState,
);

impl<K: Eq + Hash + Clone, T: Clone + Weighed> Memory<K, T> {
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
        self.cache.as_ref()?.get(key)
    }

    /// As `get`, without being an argument for keeping it.
    pub(super) fn peek(&self, key: &K) -> Option<T> {
        self.cache.as_ref()?.peek(key)
    }

    /// What weighs more than there is room for is not kept.
    pub(super) fn insert(&self, key: &K, entry: T) -> Evicted<K, T> {
        let Some(cache) = &self.cache else {
            return Default::default();
        };
        let (before, mut evicted) = (cache.remove(key), Default::default());
        cache.insert_with_lifecycle(key.clone(), entry, &mut evicted);
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

impl<K, T: Weighed> Weighter<K, T> for ByWeight {
    fn weight(&self, _key: &K, entry: &T) -> u64 {
        // What weighs nothing would never be evicted.
        entry.weight().max(1)
    }
}
