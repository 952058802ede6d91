//! The settings of a pool, checked once, when it is built.

use std::fmt;
use std::ops::RangeInclusive;
use std::thread;
use std::time::Duration;

use super::Pool;
use super::control::Control;
use super::settings::Settings;
use super::shared::{Shared, Threads};
use crate::clock::{Clock, nanos};
use crate::observer::Watch;
use crate::{BuildError, Controller, Observer, OnFull, Scaling};

/// Jobs that wait are few of many: a pool that never computes is not short of processors.
const WORKERS_PER_PROCESSOR: usize = 16;

const QUEUE: usize = 1_024;
const QUEUE_MAX: usize = 1 << 31;
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of a [`Pool`], from [`Pool::builder`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use elastic_pool::{OnFull, Scaling, blocking};
///
/// let pool = blocking::Pool::builder()
///     .workers(0..=32)
///     .queue(256)
///     .on_full(OnFull::Reject)
///     .scaling(Scaling::Eager)
///     .idle_timeout(Duration::from_secs(5))
///     .thread_name(|number| format!("image-{number}"))
///     .build()?;
/// # drop(pool);
/// # Ok::<(), elastic_pool::BuildError>(())
/// ```
#[must_use = "settings do nothing until `build` is called"]
pub struct Builder {
    workers: RangeInclusive<usize>,
    queue: usize,
    on_full: OnFull,
    scaling: Scaling,
    idle_timeout: Duration,
    clock: Clock,
    threads: Threads,
    watch: Watch,
    control: Control,
}

impl Builder {
    pub(super) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: 0..=processors.saturating_mul(WORKERS_PER_PROCESSOR),
            queue: QUEUE,
            on_full: OnFull::default(),
            scaling: Scaling::default(),
            idle_timeout: IDLE_TIMEOUT,
            clock: Clock::system(),
            threads: Threads {
                name: Box::new(|number| format!("pool-{number}")),
                start: Box::new(|builder, main| builder.spawn(main).map(drop)),
            },
            watch: Watch::default(),
            control: Control::default(),
        }
    }

    /// The least workers, which are always there, and the most.
    ///
    /// 0 to 16 per processor unless set. Processors are counted by
    /// [`available_parallelism`](thread::available_parallelism), which knows the limit of a
    /// container.
    pub const fn workers(mut self, workers: RangeInclusive<usize>) -> Self {
        self.workers = workers;
        self
    }

    /// How many jobs may wait: 1024 unless set.
    pub const fn queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// What happens to a job that finds the queue full: it waits unless set.
    pub const fn on_full(mut self, on_full: OnFull) -> Self {
        self.on_full = on_full;
        self
    }

    /// When the pool grows: with each job that finds no worker idle, unless set.
    pub const fn scaling(mut self, scaling: Scaling) -> Self {
        self.scaling = scaling;
        self
    }

    /// After how long without a job a worker leaves: 10 seconds unless set.
    pub const fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.idle_timeout = idle_timeout;
        self
    }

    /// What threads are called, by the number in which they were started: `pool-0` unless set.
    pub fn thread_name(
        mut self,
        thread_name: impl Fn(usize) -> String + Send + Sync + 'static,
    ) -> Self {
        self.threads.name = Box::new(thread_name);
        self
    }

    /// Who says how many workers there should be, within [`workers`](Self::workers): nobody unless
    /// set. When they are started is up to [`scaling`](Self::scaling). Each job is timed then.
    pub fn controller(mut self, controller: impl Controller) -> Self {
        self.control = Control::by(controller);
        self
    }

    /// Who is told of what the pool does: nobody unless set. Each job is timed then.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.watch = Watch::by(observer);
        self
    }

    /// Builds the pool, with its least workers started.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if a setting is out of range, if the observer panics, or if the system refuses
    /// a thread.
    pub fn build(self) -> Result<Pool, BuildError> {
        check_workers(&self.workers)?;
        if self.queue == 0 || self.queue > QUEUE_MAX {
            return Err(BuildError::Queue { queue: self.queue });
        }
        let target_delay = match self.scaling {
            Scaling::Eager => 0,
            // Zero would be eager; the clock does not tell one nanosecond from none.
            Scaling::TargetDelay(delay) => nanos(delay).max(1),
        };
        let settings = Settings {
            min: *self.workers.start(),
            max: *self.workers.end(),
            queue: self.queue,
            idle_timeout: nanos(self.idle_timeout),
            target_delay,
        };
        self.watch
            .attach()
            .map_err(|panic| BuildError::Observer { panic })?;
        let shared = Shared::new(settings, self.clock, self.threads, self.watch, self.control);
        let pool = Pool::new(shared, self.on_full);
        pool.start_least()
            .map_err(|source| BuildError::Thread { source })?;
        Ok(pool)
    }

    #[cfg(test)]
    pub(super) fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    #[cfg(test)]
    pub(super) fn start_with(
        mut self,
        start: impl Fn(thread::Builder, Box<dyn FnOnce() + Send>) -> std::io::Result<()>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        self.threads.start = Box::new(start);
        self
    }
}

pub(super) fn check_workers(workers: &RangeInclusive<usize>) -> Result<(), BuildError> {
    let (min, max) = (*workers.start(), *workers.end());
    if max == 0 || min > max {
        return Err(BuildError::Workers { min, max });
    }
    Ok(())
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("workers", &self.workers)
            .field("queue", &self.queue)
            .field("on_full", &self.on_full)
            .field("scaling", &self.scaling)
            .field("idle_timeout", &self.idle_timeout)
            .field("watch", &self.watch)
            .finish_non_exhaustive()
    }
}
