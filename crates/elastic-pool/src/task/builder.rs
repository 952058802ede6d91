//! The settings of a pool, checked once, when it is built.

use tokio::sync::Semaphore;

use super::Pool;
use super::shared::Shared;
use super::tasks::Tasks;
use crate::observer::Watch;
use crate::{BuildError, Observer};

const LIMIT: usize = 64;
const QUEUE: usize = 1_024;
const LIMIT_MAX: usize = 1 << 28;
/// Together no more permits than a semaphore has, and no more than the queue can name.
const QUEUE_MAX: usize = if Semaphore::MAX_PERMITS > 1 << 31 {
    1 << 31
} else {
    Semaphore::MAX_PERMITS - LIMIT_MAX
};

/// The settings of a [`Pool`], from [`Pool::builder`].
#[derive(Debug)]
#[must_use = "settings do nothing until `build` is called"]
pub struct Builder {
    limit: usize,
    queue: usize,
    watch: Watch,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            limit: LIMIT,
            queue: QUEUE,
            watch: Watch::default(),
        }
    }

    /// How many jobs may run at once: 64 unless set.
    pub const fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// How many jobs may wait: 1024 unless set.
    pub const fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// Who is told of what the pool does: nobody unless set. Each job is timed then.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.watch = Watch::by(observer);
        self
    }

    /// Builds the pool. Its jobs run in the tokio runtime of the caller, whose timers deadlines and a
    /// shutdown need: see `enable_time` of tokio's builder.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if a setting is out of range, if the observer panics, or if there is no
    /// runtime.
    pub fn build(self) -> Result<Pool, BuildError> {
        check_limit(self.limit)?;
        if self.queue == 0 || self.queue > QUEUE_MAX {
            return Err(BuildError::Queue { queue: self.queue });
        }
        let runtime = Tasks::try_current().map_err(|_| BuildError::NoRuntime)?;
        self.watch
            .attach()
            .map_err(|panic| BuildError::Observer { panic })?;
        let shared = Shared::new(self.limit, self.queue, runtime, self.watch);
        Ok(Pool::new(shared))
    }
}

pub(super) const fn check_limit(limit: usize) -> Result<(), BuildError> {
    if limit == 0 || limit > LIMIT_MAX {
        return Err(BuildError::Limit { limit });
    }
    Ok(())
}
