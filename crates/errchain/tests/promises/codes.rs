//! Codes, kinds, retries.

use std::io;

use errchain::{Code, CodeRef, Context, Error, Kind, Retry, StdError, code, err};

code!(NO_ROW: "db", "NO_ROW", Kind::NotFound, "No such row");
code!(NO_USER: "user", "NO_USER", Kind::NotFound, "No such user");
code!(NO_ROW_ELSEWHERE: "db", "NO_ROW", Kind::Internal, "Declared twice");
code!(BUSY: "db", "BUSY", Kind::Unavailable, "Busy", retry = Retry::Immediate);

#[test]
fn the_last_code_is_the_code_and_the_earlier_ones_are_known() {
    for base in [err!(NO_ROW), NO_ROW.err(), err!("text").with_code(&NO_ROW)] {
        assert!(base.is(&NO_ROW) && !base.is(&NO_USER));
        let error = base.context("above").with_code(&NO_USER).context("higher");
        assert!(error.is(&NO_ROW) && error.is(&NO_USER) && !error.is(&BUSY));
        let code = error.code().expect("it has two");
        assert_eq!(code, NO_USER);
        assert_eq!((code.domain(), code.reason()), ("user", "NO_USER"));
        assert_eq!(code.to_string(), "user/NO_USER");
    }
}

#[test]
fn a_code_is_its_domain_and_reason() {
    assert!(err!(NO_ROW).is(&NO_ROW_ELSEWHERE));
    assert_eq!(NO_ROW, NO_ROW_ELSEWHERE);
    assert_ne!(
        NO_ROW,
        Code::new("cache", "NO_ROW", Kind::NotFound, "Elsewhere")
    );
}

#[test]
fn a_code_below_a_foreign_error_answers_if_there_is_none_above() {
    #[derive(Debug, thiserror::Error)]
    #[error("library")]
    struct Library(#[source] StdError);

    let error = Error::from(Library(err!(BUSY).into_std())).context("above");
    assert!(error.is(&BUSY));
    assert_eq!(error.kind(), Kind::Unavailable);
    assert_eq!(error.retry(), Retry::Immediate);
    let error = error.with_code(&NO_USER);
    assert_eq!(error.code().map(CodeRef::reason), Some("NO_USER"));
    assert!(error.is(&BUSY));
}

#[test]
fn the_kind_of_an_io_error_is_known_without_a_code() {
    for (io, kind, retry) in [
        (io::ErrorKind::NotFound, Kind::NotFound, Retry::Never),
        (
            io::ErrorKind::TimedOut,
            Kind::DeadlineExceeded,
            Retry::Never,
        ),
        (
            io::ErrorKind::ConnectionRefused,
            Kind::Unavailable,
            Retry::Backoff,
        ),
        (
            io::ErrorKind::StorageFull,
            Kind::ResourceExhausted,
            Retry::Never,
        ),
        (io::ErrorKind::InvalidData, Kind::Unknown, Retry::Never),
    ] {
        let error = Error::from(io::Error::from(io)).context("above");
        assert_eq!((error.kind(), error.retry()), (kind, retry), "{io}");
        let error = error.with_code(&NO_USER);
        assert_eq!(error.kind(), Kind::NotFound, "a code is stronger than {io}");
    }
    for (io, kind) in [
        (io::ErrorKind::PermissionDenied, Kind::PermissionDenied),
        (io::ErrorKind::ReadOnlyFilesystem, Kind::PermissionDenied),
        (io::ErrorKind::AlreadyExists, Kind::AlreadyExists),
        (io::ErrorKind::ConnectionReset, Kind::Unavailable),
        (io::ErrorKind::ConnectionAborted, Kind::Unavailable),
        (io::ErrorKind::NotConnected, Kind::Unavailable),
        (io::ErrorKind::BrokenPipe, Kind::Unavailable),
        (io::ErrorKind::HostUnreachable, Kind::Unavailable),
        (io::ErrorKind::NetworkUnreachable, Kind::Unavailable),
        (io::ErrorKind::NetworkDown, Kind::Unavailable),
        (io::ErrorKind::QuotaExceeded, Kind::ResourceExhausted),
        (io::ErrorKind::OutOfMemory, Kind::ResourceExhausted),
        (io::ErrorKind::Unsupported, Kind::Unimplemented),
    ] {
        assert_eq!(Error::from(io::Error::from(io)).kind(), kind, "{io}");
    }
    assert_eq!(err!("text").kind(), Kind::Unknown);
}

#[test]
fn kinds_are_those_of_google_rpc_code() {
    // google/rpc/code.proto, without OK.
    let table = [
        ("CANCELLED", 1, 499),
        ("UNKNOWN", 2, 500),
        ("INVALID_ARGUMENT", 3, 400),
        ("DEADLINE_EXCEEDED", 4, 504),
        ("NOT_FOUND", 5, 404),
        ("ALREADY_EXISTS", 6, 409),
        ("PERMISSION_DENIED", 7, 403),
        ("RESOURCE_EXHAUSTED", 8, 429),
        ("FAILED_PRECONDITION", 9, 400),
        ("ABORTED", 10, 409),
        ("OUT_OF_RANGE", 11, 400),
        ("UNIMPLEMENTED", 12, 501),
        ("INTERNAL", 13, 500),
        ("UNAVAILABLE", 14, 503),
        ("DATA_LOSS", 15, 500),
        ("UNAUTHENTICATED", 16, 401),
    ];
    let kinds: Vec<_> = Kind::all()
        .map(|kind| (kind.name(), kind.grpc_code(), kind.http_status()))
        .collect();
    assert_eq!(kinds, table);
}

#[test]
fn only_unavailable_is_retried_by_default() {
    for kind in Kind::all() {
        let expected = match kind {
            Kind::Unavailable => Retry::Backoff,
            _ => Retry::Never,
        };
        assert_eq!(
            Code::new("any", "REASON", kind, "").retry(),
            expected,
            "{kind}"
        );
    }
}

#[test]
fn a_missing_value_takes_a_code() {
    let error = None::<()>.code(&NO_USER).expect_err("None is an error");
    assert!(error.is(&NO_USER));
    assert_eq!(error.to_string(), "No such user");
    assert_eq!(error.location().line() + 3, line!());
}
