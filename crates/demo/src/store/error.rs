//! What can go wrong in a store, by the codes that callers and clients tell it by.

use std::time::Duration;

use errchain::{Error, Kind, Retry, code, err};
use sqlx::error::DatabaseError;

code!(
    /// No user has this id.
    pub NOT_FOUND: "user", "NOT_FOUND", Kind::NotFound, "There is no such user"
);
code!(
    /// Another user has this address.
    pub EMAIL_TAKEN: "user", "EMAIL_TAKEN", Kind::AlreadyExists,
    "Another user has this e-mail address"
);
code!(
    /// The user has changed since the caller read it. The field `current` tells its version.
    pub VERSION_MISMATCH: "user", "VERSION_MISMATCH", Kind::FailedPrecondition,
    "The user has changed", http_status = 412
);
code!(
    /// The database is away, busy or slow: trying again later may help.
    pub UNAVAILABLE: "database", "UNAVAILABLE", Kind::Unavailable,
    "The database does not answer at the moment", retry = Retry::After(Duration::from_secs(1))
);
code!(
    /// The database refused a statement: a defect of this service.
    pub REFUSED: "database", "REFUSED", Kind::Internal, "Something went wrong"
);

/// What an error of the database means to the caller of a store.
pub(super) fn failed(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::RowNotFound => err!(NOT_FOUND),
        sqlx::Error::Database(database) if database.is_unique_violation() => err!(EMAIL_TAKEN),
        sqlx::Error::Database(database) if !is_passing(database.code().as_deref()) => {
            Error::from(error).with_code(&REFUSED)
        }
        sqlx::Error::Database(_)
        | sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Error::from(error).with_code(&UNAVAILABLE),
        _ => Error::from(error).with_code(&REFUSED),
    }
}

/// A change that was for another version than the one that there is.
pub(crate) fn version_mismatch(current: i64) -> Error {
    err!(VERSION_MISMATCH).public("current", current).public(
        "detail",
        "Read the user again, and send its new ETag as If-Match.",
    )
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

/// Whether SQLite says that somebody else has the file.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xff == 5)
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
            (Some("6"), true),
            (Some("10"), true),
            (Some("13"), true),
            (Some("1"), false),
            (Some("1299"), false),
            (Some("words"), false),
        ] {
            assert_eq!(is_passing(code), passes, "{code:?}");
        }
    }
}
