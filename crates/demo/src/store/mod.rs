//! Where users are kept: one trait, and a store for each database.

mod cached;
mod error;
mod postgres;
mod sql;
mod sqlite;

use std::collections::HashSet;
use std::fmt::Debug;

use async_trait::async_trait;
use errchain::{Error, Result};
use uuid::Uuid;

use crate::user::{Draft, User};

pub use cached::CachedStore;
pub(crate) use error::version_mismatch;
pub use error::{EMAIL_TAKEN, NOT_FOUND, REFUSED, UNAVAILABLE, VERSION_MISMATCH};
pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;

/// What the service asks of a database.
///
/// Its errors have one of the codes of this module, or [`REFUSED`].
///
/// Every call ends within a few seconds, whatever the database does: with
/// [`UNAVAILABLE`] if it did not answer. A change that was reported as done is on
/// disk; one that ended in an error, or whose future was dropped, may or may not be.
#[async_trait]
pub trait UserStore: Debug + Send + Sync + 'static {
    /// Stores a new user.
    ///
    /// # Errors
    ///
    /// [`EMAIL_TAKEN`] if another user has the address.
    async fn insert(&self, user: &User) -> Result<()>;

    /// Stores those of `users` whose address is still free, all in one transaction, and returns
    /// their ids. Of two with the same address the first is stored.
    ///
    /// # Errors
    ///
    /// [`UNAVAILABLE`]: then it has stored none, or all and the answer was lost.
    async fn insert_free(&self, users: &[User]) -> Result<HashSet<Uuid>>;

    /// Reads a user.
    ///
    /// # Errors
    ///
    /// [`NOT_FOUND`] if there is none with this id.
    async fn get(&self, id: Uuid) -> Result<User>;

    /// Reads those of several users that there are, in any order. The ids are all different.
    ///
    /// # Errors
    ///
    /// [`UNAVAILABLE`].
    async fn get_many(&self, ids: &[Uuid]) -> Result<Vec<User>>;

    /// Reads up to `limit` users in the order of their ids, from the first one after `after`.
    ///
    /// # Errors
    ///
    /// [`UNAVAILABLE`].
    async fn list(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<User>>;

    /// Replaces a user's address and name, if the user is still at version `expected`; at any
    /// version if that is `None`.
    ///
    /// # Errors
    ///
    /// [`NOT_FOUND`], [`VERSION_MISMATCH`] or [`EMAIL_TAKEN`].
    async fn update(&self, id: Uuid, expected: Option<i64>, draft: &Draft) -> Result<User>;

    /// Deletes a user, if the user is still at version `expected`; at any version if that is
    /// `None`.
    ///
    /// # Errors
    ///
    /// [`NOT_FOUND`] or [`VERSION_MISMATCH`].
    async fn delete(&self, id: Uuid, expected: Option<i64>) -> Result<()>;

    /// Asks whether the database answers.
    ///
    /// # Errors
    ///
    /// [`UNAVAILABLE`] if it does not.
    async fn ping(&self) -> Result<()>;

    /// Closes all connections.
    async fn close(&self);
}

/// Why a conditional change found no row to change.
fn no_match(found: Result<User>) -> Error {
    match found {
        Ok(user) => version_mismatch(user.version),
        Err(error) => error,
    }
}
