//! What can go wrong in a store.

use thiserror::Error;

/// Why a store could not do what was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No user has this id.
    #[error("there is no such user")]
    NotFound,
    /// Another user has this address.
    #[error("another user has this e-mail address")]
    EmailTaken,
    /// The user has changed since the caller read it.
    #[error("the user is at version {current} by now")]
    #[non_exhaustive]
    VersionMismatch {
        /// Where the user is now.
        current: i64,
    },
    /// The database is away, busy or slow: trying again later may help.
    #[error("the database did not answer")]
    #[non_exhaustive]
    Unavailable {
        /// What was seen, if the database said anything.
        source: Option<sqlx::Error>,
    },
    /// The database refused a statement: a defect of this service.
    #[error("the database refused a statement")]
    #[non_exhaustive]
    Refused {
        /// What the database said.
        source: sqlx::Error,
    },
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::RowNotFound => Self::NotFound,
            sqlx::Error::Database(database) if database.is_unique_violation() => Self::EmailTaken,
            sqlx::Error::Database(database) if !is_passing(database.code().as_deref()) => {
                Self::Refused { source: error }
            }
            sqlx::Error::Database(_)
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable {
                source: Some(error),
            },
            _ => Self::Refused { source: error },
        }
    }
}

/// Whether a database's error code tells of a state that passes.
///
/// PostgreSQL (appendix A): classes 08 connection, 40 rollback, 53 resources, 55 lock and 57
/// operator intervention, which includes a statement that ran out of time. SQLite: 5 busy and 6
/// locked in the low byte, 13 full and 10 I/O.
fn is_passing(code: Option<&str>) -> bool {
    let Some(code) = code else { return false };
    if code.len() == 5 {
        return ["08", "40", "53", "55", "57"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    code.parse::<u32>()
        .is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_passes_is_told_from_a_defect() {
        for (code, passes) in [
            (None, false),
            (Some("57014"), true),
            (Some("57P01"), true),
            (Some("53300"), true),
            (Some("40001"), true),
            (Some("42601"), false),
            (Some("23502"), false),
            (Some("5"), true),
            (Some("517"), true),
            (Some("13"), true),
            (Some("1"), false),
            (Some("1299"), false),
            (Some("words"), false),
        ] {
            assert_eq!(is_passing(code), passes, "{code:?}");
        }
    }
}
