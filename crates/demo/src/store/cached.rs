//! Users read through memory and, where instances share a database, through Redis; each change
//! under the deadline of its request.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ctxsvc::{CacheError, Cached, CachedBuilder, Ctx, Json, Load, Redis};
use errchain::{Error, Result, StdError, err};
use uuid::Uuid;

use super::{NOT_FOUND, REFUSED, UNAVAILABLE, UserStore};
use crate::user::{Draft, User};

/// Other instances of the service may write too, and nobody tells this one of it.
const TTL: Duration = Duration::from_secs(1);

/// With Redis each instance is told when another one writes.
const SHARED_TTL: Duration = Duration::from_mins(1);

/// A database that is away for so long is covered for users who were read before.
const STALE_FOR: Duration = Duration::from_mins(1);

/// Longer than a store takes to say that its database does not answer.
const LOAD_TIMEOUT: Duration = Duration::from_secs(10);

/// For loads that nobody waits for any more, when the service stops.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// A store whose users are remembered.
#[derive(Debug, Clone)]
pub struct CachedStore {
    store: Arc<dyn UserStore>,
    users: Cached<Users>,
}

impl CachedStore {
    /// Remembers users of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn UserStore>) -> Self {
        let users = Self::builder(&store, TTL).build();
        Self { store, users }
    }

    /// Remembers users of `store` together with all instances that have the same Redis, which have
    /// to have the same users.
    #[must_use]
    pub fn shared(store: Arc<dyn UserStore>, redis: Redis) -> Self {
        let users = Self::builder(&store, SHARED_TTL);
        // So that one can look at them with redis-cli. A service that has no need for that takes
        // `Postcard`, whose values are shorter.
        let users = users.redis(redis.prefix("demo"), Json).build();
        Self { store, users }
    }

    fn builder(store: &Arc<dyn UserStore>, ttl: Duration) -> CachedBuilder<Users> {
        Cached::builder("users", Users(Arc::clone(store)))
            .ttl(ttl)
            .negative_ttl(TTL)
            .stale_for(STALE_FOR)
            .soft_timeout(LOAD_TIMEOUT)
            .load_timeout(LOAD_TIMEOUT)
    }

    /// A change of a user, after which nothing is remembered of what the user was before.
    async fn change<T>(&self, id: Uuid, change: impl Future<Output = Result<T>>) -> Result<T> {
        let change = async { change.await.map_err(Error::into_std) };
        let changed = self.users.update(&Ctx::current(), &id, change).await;
        // An instance that Redis could not tell of it yet is told later.
        changed.map(|committed| committed.value).map_err(of_cache)
    }
}

#[async_trait]
impl UserStore for CachedStore {
    async fn insert(&self, user: &User) -> Result<()> {
        self.change(user.id, self.store.insert(user)).await
    }

    async fn insert_free(&self, users: &[User]) -> Result<HashSet<Uuid>> {
        // Their ids are new, so nobody has asked for them yet.
        in_time(self.store.insert_free(users)).await
    }

    async fn get(&self, id: Uuid) -> Result<User> {
        let found = self.users.get(&Ctx::current(), &id).await;
        let hit = found.map_err(of_cache)?;
        hit.map_or_else(|| Err(err!(NOT_FOUND)), |user| Ok(User::clone(&user)))
    }

    async fn get_many(&self, ids: &[Uuid]) -> Result<Vec<User>> {
        let found = self.users.get_many(&Ctx::current(), ids).await;
        let users = found.map_err(of_cache)?;
        Ok(users.values().map(|user| User::clone(user)).collect())
    }

    async fn list(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<User>> {
        in_time(self.store.list(after, limit)).await
    }

    async fn update(&self, id: Uuid, expected: Option<i64>, draft: &Draft) -> Result<User> {
        self.change(id, self.store.update(id, expected, draft))
            .await
    }

    async fn delete(&self, id: Uuid, expected: Option<i64>) -> Result<()> {
        self.change(id, self.store.delete(id, expected)).await
    }

    async fn ping(&self) -> Result<()> {
        in_time(self.store.ping()).await
    }

    async fn close(&self) {
        let report = self.users.close(CLOSE_WITHIN).await;
        tracing::info!(%report, "the cache is closed");
        self.store.close().await;
    }
}

/// What has to be asked of the database, for as long as its request has time.
async fn in_time<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    let answered = Ctx::current().run(answer).await;
    answered.map_err(|done| Error::from(done).with_code(&UNAVAILABLE))?
}

/// The error of the store, if it has one of its own.
fn of_cache(error: CacheError<StdError>) -> Error {
    match error {
        CacheError::Failed(error) => match Arc::try_unwrap(error) {
            Ok(error) => Error::from(error),
            // Others have been told the same.
            Err(shared) => Error::from(shared),
        },
        CacheError::Panicked | CacheError::WrongKey => Error::from(error).with_code(&REFUSED),
        _ => Error::from(error).with_code(&UNAVAILABLE),
    }
}

/// The store as the cache asks it.
#[derive(Debug)]
struct Users(Arc<dyn UserStore>);

impl Load for Users {
    type Key = Uuid;
    type Value = User;
    type Error = StdError;

    async fn load(&self, _ctx: &Ctx, id: &Uuid) -> Result<Option<User>, StdError> {
        match self.0.get(*id).await {
            Ok(user) => Ok(Some(user)),
            Err(error) if error.is(&NOT_FOUND) => Ok(None),
            Err(error) => Err(error.into_std()),
        }
    }

    async fn load_many(&self, _ctx: &Ctx, ids: &[Uuid]) -> Result<HashMap<Uuid, User>, StdError> {
        let users = self.0.get_many(ids).await.map_err(Error::into_std)?;
        Ok(users.into_iter().map(|user| (user.id, user)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_a_failed_load_is_told_the_same() {
        let shared = Arc::new(err!(UNAVAILABLE).into_std());
        let alone = of_cache(CacheError::Failed(Arc::new(err!(UNAVAILABLE).into_std())));
        let with_others = of_cache(CacheError::Failed(Arc::clone(&shared)));
        assert!(alone.is(&UNAVAILABLE) && with_others.is(&UNAVAILABLE));
        assert_eq!(alone.kind(), with_others.kind());
    }
}
