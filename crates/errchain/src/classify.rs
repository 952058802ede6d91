//! The kind of a foreign error, found out when somebody asks.

use core::error;

use crate::Kind;

/// Looks down the causes for the first one that is known.
pub(crate) fn classify(root: &(dyn error::Error + 'static)) -> Kind {
    let mut level = Some(root);
    // A chain may run in a circle, and what is this deep says nothing about the error on top.
    for _ in 0..32 {
        let Some(error) = level else { break };
        if let Some(kind) = known(error) {
            return kind;
        }
        level = error.source();
    }
    Kind::Unknown
}

#[cfg_attr(
    not(feature = "std"),
    expect(unused_variables, reason = "nothing is known")
)]
fn known(error: &(dyn error::Error + 'static)) -> Option<Kind> {
    #[cfg(feature = "std")]
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        return io(error.kind());
    }
    None
}

#[cfg(feature = "std")]
fn io(kind: std::io::ErrorKind) -> Option<Kind> {
    use std::io::ErrorKind as Io;
    Some(match kind {
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
        // Anything else says how it failed, and not whose fault it was.
        _ => return None,
    })
}
