//! Why a store did not answer.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a store did not answer, and whether it may have acted all the same.
#[derive(Debug, Clone)]
pub struct Fault {
    kind: FaultKind,
    applied: Applied,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultKind {
    /// The budget is used up.
    Timeout,
    /// There is no connection to be had.
    Unreachable,
    /// The connection broke before the answer.
    ConnectionLost,
    /// The server is there and does not serve now: it loads its data, runs a long script, is a
    /// replica or waits for its cluster.
    Unavailable,
    /// The store has failed so often that it is not asked for a while.
    BreakerOpen,
    /// More checks wait for a call than are held: 65 536, and in a cluster as many for each 256 of
    /// its slots, where checks of several limits wait apart from the others.
    Overloaded,
    /// The server's memory is full, and it may not evict: raise `maxmemory`.
    OutOfMemory,
    /// The user may not do this: grant it the commands and keys that the book lists.
    Forbidden,
    /// Another program keeps something else under this key: choose another namespace.
    WrongType,
    /// The URL is not one, or the build lacks the feature for it, or what it is to be used with is
    /// no certificate.
    InvalidUrl,
    /// An answer that a script of this crate does not give.
    UnexpectedReply,
}

/// Whether a request that got no answer may have had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Applied {
    /// It had none.
    No,
    /// It was sent, so it may have.
    Maybe,
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, applied: Applied) -> Self {
        Self {
            kind,
            applied,
            source: None,
        }
    }

    pub(crate) fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The same of a request of which this is a part, when another part of it was carried out.
    #[cfg(feature = "cluster")]
    pub(crate) fn maybe_applied(mut self) -> Self {
        self.applied = Applied::Maybe;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// Whether the request may have had its effect. If so, asking again could charge twice.
    #[must_use]
    pub fn applied(&self) -> Applied {
        self.applied
    }

    /// Whether it says that the server is not there, and not that it refuses this request. Only
    /// then is it worth while not to ask for some time.
    #[cfg(feature = "redis")]
    pub(crate) fn counts_as_outage(&self) -> bool {
        match self.kind {
            FaultKind::Timeout
            | FaultKind::Unreachable
            | FaultKind::ConnectionLost
            | FaultKind::Unavailable => true,
            FaultKind::BreakerOpen
            | FaultKind::Overloaded
            | FaultKind::OutOfMemory
            | FaultKind::Forbidden
            | FaultKind::WrongType
            | FaultKind::InvalidUrl
            | FaultKind::UnexpectedReply => false,
        }
    }
}

impl Applied {
    /// The word for it in metrics: `no` or `maybe`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Maybe => "maybe",
        }
    }
}

impl FaultKind {
    /// The word for it in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::ConnectionLost => "connection_lost",
            Self::Unavailable => "unavailable",
            Self::BreakerOpen => "breaker_open",
            Self::Overloaded => "overloaded",
            Self::OutOfMemory => "out_of_memory",
            Self::Forbidden => "forbidden",
            Self::WrongType => "wrong_type",
            Self::InvalidUrl => "invalid_url",
            Self::UnexpectedReply => "unexpected_reply",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Timeout => "the store did not answer within the budget",
            Self::Unreachable => "the store can't be reached: check its address and that it runs",
            Self::ConnectionLost => "the connection to the store broke",
            Self::Unavailable => "the store does not serve now",
            Self::BreakerOpen => "the store has failed too often and is not asked for a while",
            Self::Overloaded => "too many checks wait in this process: ask the store less often",
            Self::OutOfMemory => "the store's memory is full: raise `maxmemory`",
            Self::Forbidden => "the store refuses this user: grant it the commands and keys needed",
            Self::WrongType => {
                "the key holds another program's data: choose another namespace or policy name"
            }
            Self::InvalidUrl => {
                "the store's URL or certificate is not one that this build understands"
            }
            Self::UnexpectedReply => "the store gave an answer that is none",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.message())
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
