//! What `main` returns.

use std::io::Write as _;
use std::process::{ExitCode, Termination};

use crate::{Audience, Error, Kind, Report, Result};

/// The end of `main`: on failure a report for the operator on standard error, and an exit status
/// that tells a script what kind of failure it was.
///
/// The status is that of BSD's `sysexits.h`: 64 for wrong arguments, 65 for data that is lost or
/// out of range, 66 for what is not found, 69 for what is unavailable, 70 for internal errors,
/// 75 for what may be tried again, 77 for missing rights, and 1 for everything else.
///
/// # Examples
///
/// ```no_run
/// use errchain::{Context, Exit, Result};
///
/// fn main() -> Exit {
///     run().into()
/// }
///
/// fn run() -> Result<()> {
///     std::fs::read_to_string("config.toml").context("reading the configuration")?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Exit(Result<()>);

impl From<Result<()>> for Exit {
    fn from(result: Result<()>) -> Self {
        Self(result)
    }
}

impl From<Error> for Exit {
    fn from(error: Error) -> Self {
        Self(Err(error))
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        let Err(error) = self.0 else {
            return ExitCode::SUCCESS;
        };
        let report = shown(&error).pretty();
        // There is nobody left to tell that standard error is closed.
        let _ = writeln!(std::io::stderr(), "Error: {report}");
        status(error.kind()).into()
    }
}

/// Who starts a program operates it.
fn shown(error: &Error) -> Report<'_> {
    error.report().audience(Audience::Operator)
}

fn status(kind: Kind) -> u8 {
    match kind {
        Kind::InvalidArgument => 64,
        Kind::DataLoss | Kind::OutOfRange => 65,
        Kind::NotFound => 66,
        Kind::Unavailable => 69,
        Kind::Internal | Kind::Unimplemented => 70,
        Kind::Aborted | Kind::DeadlineExceeded | Kind::ResourceExhausted => 75,
        Kind::PermissionDenied | Kind::Unauthenticated => 77,
        Kind::Cancelled | Kind::Unknown | Kind::AlreadyExists | Kind::FailedPrecondition => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::err;

    #[test]
    fn every_kind_has_its_status() {
        let statuses: alloc::vec::Vec<_> = Kind::all()
            .map(|kind| (kind.name(), status(kind)))
            .collect();
        let expected = [
            ("CANCELLED", 1),
            ("UNKNOWN", 1),
            ("INVALID_ARGUMENT", 64),
            ("DEADLINE_EXCEEDED", 75),
            ("NOT_FOUND", 66),
            ("ALREADY_EXISTS", 1),
            ("PERMISSION_DENIED", 77),
            ("RESOURCE_EXHAUSTED", 75),
            ("FAILED_PRECONDITION", 1),
            ("ABORTED", 75),
            ("OUT_OF_RANGE", 65),
            ("UNIMPLEMENTED", 70),
            ("INTERNAL", 70),
            ("UNAVAILABLE", 69),
            ("DATA_LOSS", 65),
            ("UNAUTHENTICATED", 77),
        ];
        assert_eq!(statuses, expected);
    }

    #[test]
    fn who_starts_a_program_sees_all() {
        let error = err!("root").hop();
        assert!(alloc::format!("{}", shown(&error)).contains("passed: "));
    }
}
