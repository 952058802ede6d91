//! Why a context is over.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What ended a context: it was cancelled, or its deadline has passed.
///
/// The first cause wins and never changes: all who ask a context get the same answer, whatever
/// happens later. What was given as the cause is the [source](Error::source) of this error.
///
/// # Examples
///
/// ```
/// use ctxsvc::Ctx;
///
/// let (ctx, guard) = Ctx::root().cancellable();
/// guard.cancel_because("the client has gone");
///
/// let done = ctx.check().unwrap_err();
/// assert!(done.is_cancelled());
/// assert_eq!(done.cause().map(ToString::to_string).as_deref(), Some("the client has gone"));
/// ```
#[derive(Debug, Clone)]
pub struct Done {
    kind: Kind,
    cause: Option<Cause>,
}

pub(crate) type Cause = Arc<dyn Error + Send + Sync>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cancelled,
    DeadlineExceeded,
}

impl Done {
    pub(crate) fn cancelled(cause: Option<Cause>) -> Self {
        let kind = Kind::Cancelled;
        Self { kind, cause }
    }

    pub(crate) fn timeout(cause: Option<Cause>) -> Self {
        let kind = Kind::DeadlineExceeded;
        Self { kind, cause }
    }

    /// Somebody cancelled it.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.kind == Kind::Cancelled
    }

    /// Its deadline has passed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind == Kind::DeadlineExceeded
    }

    /// What was given as the cause, if something was.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.cause.as_deref()
    }
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Cancelled => "the context was cancelled",
            Kind::DeadlineExceeded => "the deadline of the context has passed",
        })
    }
}

impl Error for Done {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
