//! The end of a context among the errors of sqlx.

use std::error::Error;
use std::io;

use crate::Done;
use crate::call::Why;

impl Done {
    /// The end of a context, if that is what an error comes from: of [`Ctx::on`](crate::Ctx::on),
    /// say, which has to return an error of sqlx.
    #[must_use]
    pub fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            // What an `io::Error` was made of is not among its sources.
            let made_of = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            if let Some(made_of) = made_of {
                return Self::find(made_of);
            }
            if let Some(done) = error.downcast_ref() {
                return Some(done);
            }
            next = error.source();
        }
        None
    }
}

/// Of what type an error is, and the code that the database has given.
pub(super) fn why(error: &sqlx::Error) -> Why<'_> {
    match error {
        sqlx::Error::Database(error) => ("_OTHER", error.code()),
        _ => match Done::find(error) {
            Some(done) if done.is_timeout() => ("timeout", None),
            Some(_) => ("cancelled", None),
            None => ("_OTHER", None),
        },
    }
}

/// What was asked before was given up on, or its connection has broken.
pub(super) fn given_up() -> sqlx::Error {
    let what = "a query of this transaction has got no answer, so it is rolled back: begin anew";
    sqlx::Error::Io(io::Error::new(io::ErrorKind::ConnectionAborted, what))
}

/// As sqlx says it.
pub(super) fn over(done: Done) -> sqlx::Error {
    let kind = if done.is_timeout() {
        io::ErrorKind::TimedOut
    } else {
        io::ErrorKind::ConnectionAborted
    };
    sqlx::Error::Io(io::Error::new(kind, done))
}
