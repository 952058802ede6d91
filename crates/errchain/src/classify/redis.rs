//! `redis`.

use core::error;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::Kind;

pub(super) fn kind(error: &(dyn error::Error + 'static)) -> Option<Kind> {
    let error = error.downcast_ref::<RedisError>()?;
    if error.is_timeout() {
        return Some(Kind::DeadlineExceeded);
    }
    Some(match error.kind() {
        ErrorKind::Io
        | ErrorKind::MasterNameNotFoundBySentinel
        | ErrorKind::NoValidReplicasFoundBySentinel
        | ErrorKind::ClusterConnectionNotFound
        | ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::MasterDown
            | ServerErrorKind::TryAgain
            | ServerErrorKind::ReadOnly,
        ) => Kind::Unavailable,
        // That of this program, and not of its caller.
        _ => Kind::Internal,
    })
}
