//! Why a server did not start.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

/// Why a server did not start. The message says what to do about it, or shows the server's log.
///
/// `Debug` is the message too, since a test shows its errors by `unwrap`.
#[derive(Error)]
#[non_exhaustive]
pub enum StartError {
    /// The server's program was not found.
    #[error("{0}")]
    #[non_exhaustive]
    ProgramMissing(String),

    /// The server ended before it was ready.
    #[error("{server} died at start ({status}), its log ended with:\n{log}")]
    #[non_exhaustive]
    Died {
        /// The program.
        server: String,
        /// How it ended.
        status: ExitStatus,
        /// The last lines of its log.
        log: String,
    },

    /// The server was not ready in time.
    #[error("{server} was not ready after {bound:?} ({state}), its log ended with:\n{log}")]
    #[non_exhaustive]
    NotReady {
        /// The program, or the group of servers.
        server: String,
        /// How long it had.
        bound: Duration,
        /// What was still missing.
        state: String,
        /// The last lines of its log.
        log: String,
    },

    /// The operating system refused something.
    #[error("{doing}: {source}")]
    #[non_exhaustive]
    Io {
        /// What was tried.
        doing: String,
        /// What was said.
        source: io::Error,
    },

    /// A server that was ready refused a command of the set-up.
    #[cfg(feature = "redis")]
    #[error("the set-up of the servers failed: {0}")]
    Redis(#[from] redis::RedisError),
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl StartError {
    /// The program is not installed, or not where it was looked for.
    #[must_use]
    pub const fn is_program_missing(&self) -> bool {
        matches!(self, Self::ProgramMissing(_))
    }

    /// The server ended by itself, and its log says why.
    #[must_use]
    pub const fn is_died(&self) -> bool {
        matches!(self, Self::Died { .. })
    }

    /// For `map_err`, with what was being done.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}
