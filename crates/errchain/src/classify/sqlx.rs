//! `sqlx`.

use core::error;

use sqlx::Error;
use sqlx::error::{DatabaseError, ErrorKind};

use crate::Kind;

pub(super) fn kind(error: &(dyn error::Error + 'static)) -> Option<Kind> {
    Some(match error.downcast_ref::<Error>()? {
        Error::RowNotFound => Kind::NotFound,
        Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed | Error::Tls(_) => {
            Kind::Unavailable
        }
        Error::Database(error) => return database(&**error),
        Error::InvalidArgument(_)
        | Error::Configuration(_)
        | Error::Protocol(_)
        | Error::TypeNotFound { .. }
        | Error::ColumnIndexOutOfBounds { .. }
        | Error::ColumnNotFound(_)
        | Error::ColumnDecode { .. }
        | Error::Encode(_)
        | Error::Decode(_) => Kind::Internal,
        // An I/O error speaks for itself, as the cause.
        _ => return None,
    })
}

fn database(error: &dyn DatabaseError) -> Option<Kind> {
    match error.kind() {
        ErrorKind::UniqueViolation | ErrorKind::ExclusionViolation => Some(Kind::AlreadyExists),
        ErrorKind::ForeignKeyViolation => Some(Kind::FailedPrecondition),
        ErrorKind::NotNullViolation | ErrorKind::CheckViolation => Some(Kind::InvalidArgument),
        _ => by_state(&error.code()?),
    }
}

/// By SQLSTATE, of which the first two characters are the class.
fn by_state(state: &str) -> Option<Kind> {
    match state {
        // A serialization failure, a deadlock.
        "40001" | "40P01" => Some(Kind::Aborted),
        // A statement that was cancelled, which is how its timeout ends it.
        "57014" => Some(Kind::DeadlineExceeded),
        _ if state.len() != 5 => None,
        _ => match state.get(..2) {
            // No connection; too few resources; the operator intervenes.
            Some("08" | "53" | "57") => Some(Kind::Unavailable),
            _ => None,
        },
    }
}
