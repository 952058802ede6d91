//! The sixteen canonical kinds of failure.

use core::fmt;

/// What kind of failure it is: one of the sixteen canonical codes of `google.rpc.Code`.
///
/// A kind is what a caller who does not know the code can still act on: the status of an
/// answer, whether to retry, whose fault it was.
///
/// # Examples
///
/// ```
/// use errchain::Kind;
///
/// assert_eq!(Kind::NotFound.http_status(), 404);
/// assert_eq!(Kind::NotFound.grpc_code(), 5);
/// assert!(Kind::NotFound.is_client_error());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The caller went away.
    Cancelled,
    /// Nobody said what it is: the kind of an error without a code.
    Unknown,
    /// The arguments are wrong, whatever the state of the system.
    InvalidArgument,
    /// The time was up before the work was done.
    DeadlineExceeded,
    /// What was asked for does not exist.
    NotFound,
    /// What was to be made exists already.
    AlreadyExists,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// A quota or a resource is used up.
    ResourceExhausted,
    /// The system is not in the state that the operation needs.
    FailedPrecondition,
    /// A concurrent change got in the way; the whole transaction may be tried again.
    Aborted,
    /// The argument is past the valid range, which may change.
    OutOfRange,
    /// The operation is not offered.
    Unimplemented,
    /// Something that must never happen did.
    Internal,
    /// The service is away for the moment.
    Unavailable,
    /// Data is lost or corrupt and will not come back.
    DataLoss,
    /// It is not known who the caller is.
    Unauthenticated,
}

/// Name, HTTP status and gRPC number of each kind, as `google/rpc/code.proto` lists them.
const TABLE: [(Kind, &str, u16, i32); 16] = [
    (Kind::Cancelled, "CANCELLED", 499, 1),
    (Kind::Unknown, "UNKNOWN", 500, 2),
    (Kind::InvalidArgument, "INVALID_ARGUMENT", 400, 3),
    (Kind::DeadlineExceeded, "DEADLINE_EXCEEDED", 504, 4),
    (Kind::NotFound, "NOT_FOUND", 404, 5),
    (Kind::AlreadyExists, "ALREADY_EXISTS", 409, 6),
    (Kind::PermissionDenied, "PERMISSION_DENIED", 403, 7),
    (Kind::ResourceExhausted, "RESOURCE_EXHAUSTED", 429, 8),
    (Kind::FailedPrecondition, "FAILED_PRECONDITION", 400, 9),
    (Kind::Aborted, "ABORTED", 409, 10),
    (Kind::OutOfRange, "OUT_OF_RANGE", 400, 11),
    (Kind::Unimplemented, "UNIMPLEMENTED", 501, 12),
    (Kind::Internal, "INTERNAL", 500, 13),
    (Kind::Unavailable, "UNAVAILABLE", 503, 14),
    (Kind::DataLoss, "DATA_LOSS", 500, 15),
    (Kind::Unauthenticated, "UNAUTHENTICATED", 401, 16),
];

impl Kind {
    /// All kinds, in the order of their gRPC numbers.
    #[must_use]
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        TABLE.iter().map(|&(kind, ..)| kind)
    }

    /// The name in `google.rpc.Code`: `"NOT_FOUND"`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// The HTTP status that `google.rpc.Code` maps it to.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        TABLE[self as usize].2
    }

    /// The number in `google.rpc.Code`, 1 to 16.
    #[must_use]
    pub const fn grpc_code(self) -> i32 {
        TABLE[self as usize].3
    }

    /// What a client is told if there is no code with a title of its own.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::DeadlineExceeded => "The service took too long",
            Self::Unavailable => "The service is busy",
            Self::Unimplemented => "The service does not offer this",
            _ => "Something went wrong",
        }
    }

    /// The caller can mend it: the HTTP status is below 500.
    #[must_use]
    pub const fn is_client_error(self) -> bool {
        self.http_status() < 500
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_finds_its_own_row() {
        for (index, kind) in Kind::all().enumerate() {
            assert_eq!(kind as usize, index, "{kind}");
            assert_eq!(usize::try_from(kind.grpc_code()), Ok(index + 1), "{kind}");
        }
    }
}
