//! Writes.

use std::error::Error;
use std::sync::Arc;

use super::{CacheError, Cached, Load};
use crate::Ctx;

impl<L: Load> Cached<L> {
    /// Runs a write of a key's value, which has to be committed when it is ready, and forgets
    /// what was known of the key. After this has returned, no call that begins later is answered
    /// with what was there before the write.
    ///
    /// What is known is forgotten however the write ends: also if it fails or is cut short, since
    /// it may have been committed then.
    ///
    /// # Errors
    ///
    /// A [`CacheError`]: that of the write, or that the context is over.
    ///
    /// # Cancel safety
    ///
    /// The write is dropped where it is, and the key is forgotten.
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
    ) -> Result<T, CacheError<E>> {
        ctx.check()?;
        // Before the first poll: it does its work wherever this future is dropped.
        let _forgotten = Forgotten { cached: self, key };
        let written = ctx.run(write).await?;
        written.map_err(|error| CacheError::Failed(Arc::new(error)))
    }
}

/// Forgets a key when it is dropped.
struct Forgotten<'a, L: Load> {
    cached: &'a Cached<L>,
    key: &'a L::Key,
}

impl<L: Load> Drop for Forgotten<'_, L> {
    fn drop(&mut self) {
        self.cached.invalidate(self.key);
    }
}
