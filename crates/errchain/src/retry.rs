//! Whether trying again may help.

use core::time::Duration;

/// Whether, and when, the caller may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// It would fail again, or it is not known to be safe.
    Never,
    /// At once, for example after a lost race.
    Immediate,
    /// Not before this much time has passed.
    After(Duration),
    /// With growing pauses in between.
    Backoff,
}

impl Retry {
    /// Trying again may help.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        !matches!(self, Self::Never)
    }
}
