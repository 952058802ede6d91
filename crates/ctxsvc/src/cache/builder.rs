//! The settings of a cached repository.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::loader::{RemoteOf, Shared};
use super::memory::Memory;
use super::observe::Meter;
use super::policy::Policy;
use super::running::Running;
use super::table::Table;
use super::{Cached, Load};

/// The settings of a [`Cached`] repository. From [`Cached::builder`].
#[must_use = "settings do nothing until `build` is called"]
pub struct CachedBuilder<L: Load> {
    name: String,
    repository: L,
    policy: Policy,
    /// Made once all is set.
    remote: Option<Box<MakeRemote<L>>>,
    capacity: u64,
    max_loads: usize,
}

/// Makes the level that processes share, for a cache of this name.
pub(super) type MakeRemote<L> = dyn FnOnce(&str, &Policy) -> Arc<RemoteOf<L>> + Send;

impl<L: Load> CachedBuilder<L> {
    pub(super) fn new(name: impl Into<String>, repository: L) -> Self {
        Self {
            name: name.into(),
            repository,
            policy: Policy {
                ttl: Duration::from_secs(60),
                negative_ttl: Duration::from_secs(5),
                stale_for: Duration::ZERO,
                soft_timeout: Duration::ZERO,
                load_timeout: Duration::from_secs(2),
            },
            remote: None,
            capacity: 10_000,
            max_loads: 256,
        }
    }

    /// How much is remembered, in what [`Load::weight`] counts: 10 000 unless set. Zero remembers
    /// nothing; what is asked for at the same time is still loaded once.
    pub fn capacity(mut self, capacity: u64) -> Self {
        self.capacity = capacity;
        self
    }

    /// How long a value is fresh: a minute unless set. Up to a tenth is taken off by chance, so
    /// that what was loaded together does not expire together.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.policy.ttl = ttl;
        self
    }

    /// How long it is remembered that there is no value: five seconds unless set.
    pub fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.policy.negative_ttl = ttl;
        self
    }

    /// How long after its time to live a value may still be given, as a stale one, while a newer
    /// one is loaded or can't be had: not at all unless set.
    pub fn stale_for(mut self, stale_for: Duration) -> Self {
        self.policy.stale_for = stale_for;
        self
    }

    /// How long to wait for a newer value when there is a stale one: not at all unless set.
    pub fn soft_timeout(mut self, timeout: Duration) -> Self {
        self.policy.soft_timeout = timeout;
        self
    }

    /// How long a load may take, whoever waits for it: two seconds unless set.
    pub fn load_timeout(mut self, timeout: Duration) -> Self {
        self.policy.load_timeout = timeout;
        self
    }

    /// How many loads run at a time: 256 unless set, at least one. Others wait, and this counts
    /// for their load timeout.
    pub fn max_loads(mut self, max_loads: usize) -> Self {
        self.max_loads = max_loads;
        self
    }

    #[cfg(feature = "redis")]
    pub(super) fn remote(mut self, make: Box<MakeRemote<L>>) -> Self {
        self.remote = Some(make);
        self
    }

    /// Builds it. With the feature `metrics`, its figures go to the recorder that is installed now.
    pub fn build(self) -> Cached<L> {
        let permits = self.max_loads.clamp(1, Semaphore::MAX_PERMITS);
        let remote = self.remote.map(|make| make(&self.name, &self.policy));
        Cached::new(Arc::new(Shared {
            remote,
            meter: Meter::new(&self.name),
            name: self.name,
            repository: self.repository,
            policy: self.policy,
            memory: Memory::new(self.capacity),
            flights: Table::new(),
            permits: Semaphore::new(permits),
            running: Running::default(),
        }))
    }
}

// Not derived: neither the repository nor what makes a level need be `Debug`.
impl<L: Load> fmt::Debug for CachedBuilder<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedBuilder")
            .field("name", &self.name)
            .field("policy", &self.policy)
            .field("capacity", &self.capacity)
            .field("max_loads", &self.max_loads)
            .finish_non_exhaustive()
    }
}
