//! Where the end of a job is written down, before its handle is told.

use std::time::Duration;

use super::{JobError, Tally};
use crate::Ending;
use crate::clock::{Clock, Nanos};
use crate::observer::Watch;

/// Who counts the end of a job, and who is told of it.
#[derive(Clone, Copy)]
pub(crate) struct Log<'a> {
    tally: &'a Tally,
    told: Option<Told<'a>>,
}

/// What it takes to tell the observer of a pool that has one.
#[derive(Clone, Copy)]
struct Told<'a> {
    watch: &'a Watch,
    clock: &'a Clock,
    /// When the job came: zero for one that has not waited.
    enqueued: Nanos,
}

impl<'a> Log<'a> {
    #[inline]
    pub(crate) fn new(tally: &'a Tally, watch: &'a Watch, clock: &'a Clock) -> Self {
        let told = watch.is_there().then_some(Told {
            watch,
            clock,
            enqueued: 0,
        });
        Self { tally, told }
    }

    /// For a job that its pool has let go of.
    pub(crate) const fn unseen(tally: &'a Tally) -> Self {
        Self { tally, told: None }
    }

    /// For a job that has waited since.
    #[inline]
    pub(crate) const fn since(mut self, enqueued: Nanos) -> Self {
        if let Some(told) = &mut self.told {
            told.enqueued = enqueued;
        }
        self
    }

    /// The job begins. Says when, if anybody wants to know.
    #[inline]
    pub(crate) fn begin(&self) -> Option<Nanos> {
        let told = self.told.as_ref()?;
        let now = told.clock.now();
        let wait = match told.enqueued {
            0 => 0,
            enqueued => now.saturating_sub(enqueued),
        };
        told.watch
            .tell(|observer| observer.job_started(Duration::from_nanos(wait)));
        Some(now)
    }

    /// The job has ended, and began then, if it did.
    #[inline]
    pub(crate) fn end(&self, result: Result<(), &JobError>, began: Option<Nanos>) {
        self.tally.count(result);
        let Some(told) = &self.told else {
            return;
        };
        let how = match result {
            Ok(()) => Ending::Completed,
            Err(JobError::Panicked(_)) => Ending::Panicked,
            Err(JobError::Cancelled(reason)) => Ending::Cancelled(*reason),
        };
        let run = began
            .map(|began| told.clock.now().saturating_sub(began))
            .map(Duration::from_nanos);
        told.watch.tell(|observer| observer.job_ended(how, run));
    }
}
