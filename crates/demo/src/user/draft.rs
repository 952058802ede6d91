//! A user who is not stored yet.

use serde::Deserialize;

use super::{Email, Name};

/// What a client sends: nothing in it is checked yet.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a user, an object with email and name"
)]
pub struct UserInput {
    /// See [`Email::parse`].
    pub email: String,
    /// See [`Name::parse`].
    pub name: String,
}

/// Checked input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The address.
    pub email: Email,
    /// The name.
    pub name: Name,
}

/// A member of the input that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Which one.
    pub member: &'static str,
    /// What is wrong with it.
    pub detail: String,
}

impl TryFrom<UserInput> for Draft {
    type Error = Vec<Invalid>;

    /// Checks all members, so that a client learns at once of everything that it has to mend.
    fn try_from(input: UserInput) -> Result<Self, Vec<Invalid>> {
        let email = Email::parse(&input.email).map_err(|error| Invalid {
            member: "email",
            detail: format!("email {error}"),
        });
        let name = Name::parse(&input.name).map_err(|error| Invalid {
            member: "name",
            detail: format!("name {error}"),
        });
        match (email, name) {
            (Ok(email), Ok(name)) => Ok(Self { email, name }),
            (email, name) => Err([email.err(), name.err()].into_iter().flatten().collect()),
        }
    }
}
