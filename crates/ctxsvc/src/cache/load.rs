//! What the cache stands in front of.

use std::collections::HashMap;
use std::error::Error;
use std::hash::Hash;

use crate::Ctx;

/// A repository that a [`Cached`](crate::Cached) reads through to.
///
/// # Examples
///
/// ```
/// use std::convert::Infallible;
/// use ctxsvc::{Ctx, Load};
///
/// struct Squares;
///
/// impl Load for Squares {
///     type Key = u32;
///     type Value = u64;
///     type Error = Infallible;
///
///     async fn load(&self, _ctx: &Ctx, key: &u32) -> Result<Option<u64>, Infallible> {
///         Ok(Some(u64::from(*key).pow(2)))
///     }
/// }
/// ```
pub trait Load: Send + Sync + 'static {
    /// What a value is found by.
    type Key: Clone + Eq + Hash + Send + Sync + 'static;
    /// What is found.
    type Value: Send + Sync + 'static;
    /// Why nothing could be found out.
    type Error: Error + Send + Sync + 'static;

    /// Loads a value. `None` says that there is none: that is no error, and is remembered too.
    ///
    /// The context is not that of a caller, because others may wait for the same load: it has the
    /// values of the one who came first, and the load timeout as its deadline.
    fn load(
        &self,
        ctx: &Ctx,
        key: &Self::Key,
    ) -> impl Future<Output = Result<Option<Self::Value>, Self::Error>> + Send;

    /// Loads several values at once, as `WHERE id = ANY($1)` does. What is not in the map does not
    /// exist. The keys are all different.
    ///
    /// Unless it is written, this calls [`load`](Self::load) for one after the other.
    fn load_many(
        &self,
        ctx: &Ctx,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<HashMap<Self::Key, Self::Value>, Self::Error>> + Send {
        async move {
            let mut values = HashMap::with_capacity(keys.len());
            for key in keys {
                if let Some(value) = self.load(ctx, key).await? {
                    values.insert(key.clone(), value);
                }
            }
            Ok(values)
        }
    }

    /// How much of the capacity a value takes: 1 unless it is written.
    fn weight(_value: &Self::Value) -> u64 {
        1
    }

    /// The version of a value's row, if that has one which grows with each write, like a column that
    /// is counted up. Unless it is written there is none.
    ///
    /// It is for repositories that read from replicas. An older version never takes the place of one
    /// that is remembered, and after a write only one above what was seen before is remembered, for
    /// ten seconds each: the README says what that is worth.
    fn version(_value: &Self::Value) -> Option<u64> {
        None
    }
}
