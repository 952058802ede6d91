//! Where users are kept: one trait, and a store for each database.

mod error;
mod postgres;
mod sql;
mod sqlite;

use std::collections::HashSet;
use std::fmt::Debug;

use async_trait::async_trait;
use uuid::Uuid;

use crate::user::{Draft, User};

pub use error::StoreError;
pub use postgres::PostgresStore;
pub use sqlite::SqliteStore;

/// What the service asks of a database.
///
/// Every call ends within a few seconds, whatever the database does: with
/// [`StoreError::Unavailable`] if it did not answer. A change that was reported as done is on
/// disk; one that ended in an error, or whose future was dropped, may or may not be.
#[async_trait]
pub trait UserStore: Debug + Send + Sync + 'static {
    /// Stores a new user.
    ///
    /// # Errors
    ///
    /// [`StoreError::EmailTaken`] if another user has the address.
    async fn insert(&self, user: &User) -> Result<(), StoreError>;

    /// Stores those of `users` whose address is still free, all in one transaction, and returns
    /// their ids. Of two with the same address the first is stored.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`]: then it has stored none, or all and the answer was lost.
    async fn insert_free(&self, users: &[User]) -> Result<HashSet<Uuid>, StoreError>;

    /// Reads a user.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] if there is none with this id.
    async fn get(&self, id: Uuid) -> Result<User, StoreError>;

    /// Reads up to `limit` users in the order of their ids, from the first one after `after`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`].
    async fn list(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<User>, StoreError>;

    /// Replaces a user's address and name, if the user is still at version `expected`; at any
    /// version if that is `None`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], [`StoreError::VersionMismatch`] or [`StoreError::EmailTaken`].
    async fn update(
        &self,
        id: Uuid,
        expected: Option<i64>,
        draft: &Draft,
    ) -> Result<User, StoreError>;

    /// Deletes a user, if the user is still at version `expected`; at any version if that is
    /// `None`.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] or [`StoreError::VersionMismatch`].
    async fn delete(&self, id: Uuid, expected: Option<i64>) -> Result<(), StoreError>;

    /// Asks whether the database answers.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it does not.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Closes all connections.
    async fn close(&self);
}

/// Why a conditional change found no row to change.
fn no_match(found: Result<User, StoreError>) -> StoreError {
    match found {
        Ok(user) => StoreError::VersionMismatch {
            current: user.version,
        },
        Err(error) => error,
    }
}
