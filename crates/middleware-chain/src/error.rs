//! What can go wrong: while a chain is built, and while a request passes it.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;

use crate::{Done, Outcome};

/// Any error, as tower and http-body pass it.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What a middleware ends in: [`Done`], or an error that travels outwards by `?`.
pub type Result<T = Done> = std::result::Result<T, Error>;

/// Why a request has no answer yet: a status, and the error behind it.
///
/// Any `std::error::Error` becomes one by `?`, with the status 500. It is one word. The text of the
/// source is for logs: clients see the status and the [detail](Self::detail).
pub struct Error(Box<Inner>);

struct Inner {
    status: StatusCode,
    outcome: Outcome,
    detail: Option<Cow<'static, str>>,
    source: Option<BoxError>,
}

impl Error {
    /// An error with this status.
    ///
    /// ```
    /// use middleware_chain::Error;
    ///
    /// let error = Error::status(http::StatusCode::FORBIDDEN).detail("This is for staff.");
    /// assert_eq!(error.to_string(), "403 Forbidden: This is for staff.");
    /// ```
    #[must_use]
    pub fn status(status: StatusCode) -> Self {
        Self(Box::new(Inner {
            status,
            outcome: Outcome::Error,
            detail: None,
            source: None,
        }))
    }

    /// Says what is wrong with this request. The client sees it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Says what is behind it. The client does not see it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub(crate) fn with(status: StatusCode, outcome: Outcome) -> Self {
        let mut error = Self::status(status);
        error.0.outcome = outcome;
        error
    }

    /// The status that the client gets.
    #[must_use]
    pub fn status_code(&self) -> StatusCode {
        self.0.status
    }

    pub(crate) fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    pub(crate) fn text(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The error behind it.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn StdError + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// The error of a member among an error and its causes: how a handler tells a body that was too
    /// large, or too slow, from one that broke off.
    ///
    /// ```
    /// use http::StatusCode;
    /// use middleware_chain::Error;
    ///
    /// fn status_of(error: &(dyn std::error::Error + 'static)) -> StatusCode {
    ///     Error::find(error).map_or(StatusCode::BAD_REQUEST, Error::status_code)
    /// }
    /// # assert_eq!(status_of(&std::fmt::Error), StatusCode::BAD_REQUEST);
    /// ```
    #[must_use]
    pub fn find<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Self> {
        let mut causes = std::iter::successors(Some(error), |error| (*error).source());
        causes.find_map(|cause| Some(&cause.downcast_ref::<Wrapped>()?.0))
    }

    /// Takes back what [`into_boxed`](Self::into_boxed) has wrapped.
    pub(crate) fn from_boxed(error: BoxError) -> Self {
        match error.downcast::<Wrapped>() {
            Ok(wrapped) => wrapped.0,
            Err(foreign) => Self::status(StatusCode::INTERNAL_SERVER_ERROR).caused_by(foreign),
        }
    }

    pub(crate) fn into_boxed(self) -> BoxError {
        Box::new(Wrapped(self))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.status)?;
        match self.text() {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("status", &self.0.status)
            .field("outcome", &self.0.outcome)
            .field("detail", &self.0.detail)
            .field("source", &self.0.source)
            .finish()
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(source: E) -> Self {
        Self::from_boxed(Box::new(source))
    }
}

/// An [`Error`] where a `std::error::Error` is asked for. `Error` is none itself, or `?` could not
/// turn every other one into it.
#[derive(Debug)]
pub(crate) struct Wrapped(pub(crate) Error);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for Wrapped {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

/// Why there is no such chain, which member it is about, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// Two members have one name.
    DuplicateName(String),
    /// An edit names a member that is not there.
    UnknownName {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// More middleware than a frame has room for.
    TooManyLevels {
        /// The first member that has no room.
        name: String,
        /// How many there may be.
        max: usize,
    },
    /// A header cannot have this name.
    InvalidHeaderName(String),
    /// A network is not written as `10.0.0.0/8` or `fd00::/8`.
    InvalidNetwork(String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DuplicateName(name) => write!(
                f,
                "two members are called {name:?}: give one of them another name with `.named(\"...\", ...)`"
            ),
            Self::UnknownName { name, known } => write!(
                f,
                "no member is called {name:?}: the chain has {}",
                known.join(", ")
            ),
            Self::TooManyLevels { name, max } => write!(
                f,
                "{name:?} is one middleware too many: put at most {max} between two tower layers, or make some of them hooks"
            ),
            Self::InvalidHeaderName(name) => write!(
                f,
                "{name:?} is no name of a header: use letters, digits and `-`"
            ),
            Self::InvalidNetwork(text) => write!(
                f,
                "{text:?} is no network: write an address and a prefix length, as in 10.0.0.0/8"
            ),
        }
    }
}

impl StdError for BuildError {}
