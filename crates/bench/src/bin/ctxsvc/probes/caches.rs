//! Ours and the peers, each used as its own documentation advises.

use std::sync::Arc;

use ctxsvc::{Cached, Ctx, Load};

use super::origin::{Failed, Origin};

/// A cache in front of an origin with one row.
pub(crate) trait Cache: Clone + Send + Sync + 'static {
    fn before(origin: Origin) -> Self;

    fn get(&self) -> impl Future<Output = Result<u64, ()>> + Send;

    /// Forgets the row, after it was written.
    fn forget(&self) -> impl Future<Output = ()> + Send;
}

#[derive(Clone)]
pub(crate) struct Ours(Cached<Rows>);

pub(crate) struct Rows(Origin);

impl Load for Rows {
    type Key = u64;
    type Value = u64;
    type Error = Failed;

    async fn load(&self, _ctx: &Ctx, _key: &u64) -> Result<Option<u64>, Failed> {
        self.0.clone().load().await.map(Some)
    }
}

impl Cache for Ours {
    fn before(origin: Origin) -> Self {
        Self(Cached::builder("rows", Rows(origin)).build())
    }

    async fn get(&self) -> Result<u64, ()> {
        let found = self.0.get(&Ctx::root(), &1).await.map_err(drop)?;
        Ok(*found.expect("it exists"))
    }

    async fn forget(&self) {
        self.0.invalidate(&1).await;
    }
}

#[derive(Clone)]
pub(crate) struct Moka(moka::future::Cache<u64, u64>, Origin);

impl Cache for Moka {
    fn before(origin: Origin) -> Self {
        Self(moka::future::Cache::new(1_000), origin)
    }

    async fn get(&self) -> Result<u64, ()> {
        let loading = self.1.clone().load();
        self.0.try_get_with(1, loading).await.map_err(drop)
    }

    async fn forget(&self) {
        self.0.invalidate(&1).await;
    }
}

#[derive(Clone)]
pub(crate) struct QuickCache(Arc<quick_cache::sync::Cache<u64, u64>>, Origin);

impl Cache for QuickCache {
    fn before(origin: Origin) -> Self {
        Self(Arc::new(quick_cache::sync::Cache::new(1_000)), origin)
    }

    async fn get(&self) -> Result<u64, ()> {
        let loading = self.1.clone().load();
        self.0.get_or_insert_async(&1, loading).await.map_err(drop)
    }

    async fn forget(&self) {
        self.0.remove(&1);
    }
}

#[derive(Clone)]
pub(crate) struct Foyer(foyer::Cache<u64, u64>, Origin);

impl Cache for Foyer {
    fn before(origin: Origin) -> Self {
        Self(foyer::CacheBuilder::new(1_000).build(), origin)
    }

    async fn get(&self) -> Result<u64, ()> {
        let origin = self.1.clone();
        let fetched = self.0.get_or_fetch(&1, || origin.load()).await;
        fetched.map(|entry| *entry.value()).map_err(drop)
    }

    async fn forget(&self) {
        self.0.remove(&1);
    }
}

#[derive(Clone)]
pub(crate) struct Cachet(Arc<cachet::Cache<u64, u64>>, Origin);

impl Cache for Cachet {
    fn before(origin: Origin) -> Self {
        let builder = cachet::Cache::builder::<u64, u64>(tick::Clock::new_tokio());
        let cache = builder.memory().stampede_protection().build();
        Self(Arc::new(cache), origin)
    }

    async fn get(&self) -> Result<u64, ()> {
        let origin = self.1.clone();
        let found = self.0.try_get_or_insert(&1, || origin.load()).await;
        found.map(|entry| *entry.value()).map_err(drop)
    }

    async fn forget(&self) {
        self.0.invalidate(&1).await.expect("it is in memory");
    }
}

#[derive(Clone)]
pub(crate) struct Amalgam(amalgam::Cache<u64>, Origin);

impl Cache for Amalgam {
    fn before(origin: Origin) -> Self {
        Self(amalgam::Cache::new(), origin)
    }

    async fn get(&self) -> Result<u64, ()> {
        let origin = self.1.clone();
        let loading = move |_| origin.load();
        self.0.get_or_set("1", loading).await.map_err(drop)
    }

    async fn forget(&self) {
        self.0.remove("1").await.expect("it is in memory");
    }
}

#[derive(Clone)]
pub(crate) struct Hydra(hydracache::HydraCache, Origin);

impl Cache for Hydra {
    fn before(origin: Origin) -> Self {
        Self(hydracache::HydraCache::local().build(), origin)
    }

    async fn get(&self) -> Result<u64, ()> {
        let (options, origin) = (hydracache::CacheOptions::new(), self.1.clone());
        let loading = move || origin.load();
        self.0
            .get_or_load("1", options, loading)
            .await
            .map_err(drop)
    }

    async fn forget(&self) {
        self.0.remove("1").await.expect("it is in memory");
    }
}
