//! `std::io`.

use core::error;
use std::io::{self, ErrorKind as Io};

use crate::Kind;

pub(super) fn kind(error: &(dyn error::Error + 'static)) -> Option<Kind> {
    Some(match error.downcast_ref::<io::Error>()?.kind() {
        Io::NotFound => Kind::NotFound,
        Io::PermissionDenied | Io::ReadOnlyFilesystem => Kind::PermissionDenied,
        Io::AlreadyExists => Kind::AlreadyExists,
        Io::TimedOut => Kind::DeadlineExceeded,
        Io::ConnectionRefused
        | Io::ConnectionReset
        | Io::ConnectionAborted
        | Io::NotConnected
        | Io::BrokenPipe
        | Io::HostUnreachable
        | Io::NetworkUnreachable
        | Io::NetworkDown => Kind::Unavailable,
        Io::StorageFull | Io::QuotaExceeded | Io::OutOfMemory => Kind::ResourceExhausted,
        Io::Unsupported => Kind::Unimplemented,
        // Anything else says how it failed, and not what that means.
        _ => return None,
    })
}
