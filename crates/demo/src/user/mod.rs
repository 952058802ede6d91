//! What a user is: checked once, where input enters.

mod draft;
mod email;
mod name;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

pub use draft::{Draft, Invalid, UserInput};
pub use email::{Email, EmailError};
pub use name::{Name, NameError};

/// A stored user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub struct User {
    /// A UUID of version 7: users sort by id as they were created.
    pub id: Uuid,
    /// Unique among all users, without regard to case.
    pub email: Email,
    /// What to call them.
    pub name: Name,
    /// 1 when created, and one more with each update: the entity tag.
    pub version: i64,
    /// When the user was created, in UTC and whole milliseconds.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the user was last changed, in UTC and whole milliseconds.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

impl User {
    /// Makes a new user out of checked input.
    #[must_use]
    pub fn new(draft: Draft) -> Self {
        let now = now();
        Self {
            id: Uuid::now_v7(),
            email: draft.email,
            name: draft.name,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

/// The time in whole milliseconds, which both databases store without loss.
pub(crate) fn now() -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    now.replace_millisecond(now.millisecond())
        .expect("a millisecond of this very time")
}
