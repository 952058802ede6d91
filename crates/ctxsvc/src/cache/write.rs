//! Writes.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{CacheError, Cached, Load};
use crate::Ctx;

/// A write that was committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Committed<T> {
    /// What the write has returned.
    pub value: T,
    /// Whether all levels have forgotten the key. If not, it is forgotten in the background as soon
    /// as Redis answers: until then this process does not ask it for the key, and others may be
    /// given the old value. If there are more than 1 024 such keys, Redis is not asked for any, and
    /// forgets all of this cache. Without Redis it is always true.
    pub invalidated: bool,
}

impl<L: Load> Cached<L> {
    /// Runs a write of a key's value, which has to be committed when it is ready, and forgets
    /// what was known of the key. After this has returned, no call that begins later is answered
    /// with what was there before the write.
    ///
    /// What is known is forgotten however the write ends: also if it fails or is cut short, since
    /// it may have been committed then. A write that was committed is never an error, whatever
    /// becomes of the invalidation: see [`Committed::invalidated`].
    ///
    /// # Errors
    ///
    /// A [`CacheError`]: that of the write, or that the context is over.
    ///
    /// # Cancel safety
    ///
    /// The write is dropped where it is, and the key is forgotten: in Redis in the background.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use ctxsvc::{Cached, CacheError, Ctx, Load};
    /// # async fn rename(
    /// #     users: &Cached<impl Load<Key = u32>>,
    /// #     ctx: &Ctx,
    /// #     save: impl AsyncFn(u32, &str) -> std::io::Result<()>,
    /// # ) -> Result<(), CacheError<std::io::Error>> {
    /// users.update(ctx, &42, save(42, "Ada")).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn update<T, E: Error + 'static>(
        &self,
        ctx: &Ctx,
        key: &L::Key,
        write: impl Future<Output = Result<T, E>>,
    ) -> Result<Committed<T>, CacheError<E>> {
        ctx.check()?;
        // Before the first poll: it does its work wherever this future is dropped.
        let outdated = Outdated::new(self, key);
        let written = ctx.run(write).await?;
        let invalidated = ctx.run(outdated.forget()).await;
        let invalidated = invalidated.unwrap_or(self.shared.remote.is_none());
        let value = written.map_err(|error| CacheError::Failed(Arc::new(error)))?;
        Ok(Committed { value, invalidated })
    }

    /// Forgets what is known of a key. A load that is under way is not remembered.
    ///
    /// Returns whether all levels have forgotten it. If not, it is forgotten in the background, as
    /// [`Committed::invalidated`] says.
    ///
    /// # Cancel safety
    ///
    /// The key is forgotten: in Redis in the background.
    pub async fn invalidate(&self, key: &L::Key) -> bool {
        Outdated::new(self, key).forget().await
    }
}

/// A key whose value is to be forgotten, at the latest when this is dropped.
struct Outdated<'a, L: Load> {
    cached: &'a Cached<L>,
    key: &'a L::Key,
    is_told: bool,
}

impl<'a, L: Load> Outdated<'a, L> {
    fn new(cached: &'a Cached<L>, key: &'a L::Key) -> Self {
        let is_told = cached.shared.remote.is_none();
        cached.shared.meter.invalidated();
        Self {
            cached,
            key,
            is_told,
        }
    }

    /// The level that processes share first: what was there before would come back out of it.
    async fn forget(mut self) -> bool {
        let Some(remote) = &self.cached.shared.remote else {
            return true;
        };
        let seen = self.cached.shared.floor(self.key).seen();
        let is_forgotten = remote.forget(self.key, seen).await;
        self.is_told = true;
        is_forgotten
    }
}

impl<L: Load> Drop for Outdated<'_, L> {
    fn drop(&mut self) {
        let shared = &self.cached.shared;
        if let Some(remote) = shared.remote.as_ref().filter(|_| !self.is_told) {
            // How a key shows itself is foreign code. If it panics, nobody knows the key in Redis
            // either; a second panic on top of its first one would end the process.
            let forget = AssertUnwindSafe(|| {
                remote.forget_later(self.key, shared.floor(self.key).seen());
            });
            let _it_has_no_name = catch_unwind(forget);
        }
        shared.forget(self.key);
    }
}
