//! Time as an integer, so that the core needs no clock of its own.

use std::time::{Duration, Instant};

/// Nanoseconds since the pool was built. Zero is "never was", the maximum "never will be".
pub(crate) type Nanos = u64;

pub(crate) const NEVER: Nanos = Nanos::MAX;

/// Where the pool reads the time.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    epoch: Instant,
    /// The time of a test, which moves when the test says so.
    #[cfg(test)]
    stopped: Option<std::sync::Arc<std::sync::atomic::AtomicU64>>,
}

impl Clock {
    pub(crate) fn system() -> Self {
        Self {
            epoch: Instant::now(),
            #[cfg(test)]
            stopped: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn stopped(
        epoch: Instant,
        at: &std::sync::Arc<std::sync::atomic::AtomicU64>,
    ) -> Self {
        Self {
            epoch,
            stopped: Some(std::sync::Arc::clone(at)),
        }
    }

    pub(crate) fn now(&self) -> Nanos {
        #[cfg(test)]
        if let Some(stopped) = &self.stopped {
            return stopped.load(std::sync::atomic::Ordering::SeqCst);
        }
        nanos(self.epoch.elapsed()).max(1)
    }

    /// An instant before the pool was built is its first moment.
    pub(crate) fn at(&self, instant: Instant) -> Nanos {
        nanos(instant.saturating_duration_since(self.epoch)).max(1)
    }

    /// `None` for what lies too far ahead to be waited for.
    pub(crate) fn instant(&self, at: Nanos) -> Option<Instant> {
        (at != NEVER).then(|| self.epoch.checked_add(Duration::from_nanos(at)))?
    }
}

/// A `u64` holds 584 years of nanoseconds, and all that is longer is the same here.
pub(crate) fn nanos(time: Duration) -> Nanos {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER)
}
