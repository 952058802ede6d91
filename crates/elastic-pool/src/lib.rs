// The README is the crate documentation: one text, and its examples are doctests.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod backlog;
pub mod blocking;
mod clock;
mod controller;
mod error;
mod group;
mod job;
mod metrics;
#[cfg(feature = "metrics")]
mod metrics_observer;
mod observer;
mod policy;
mod queue;
#[allow(
    unsafe_code,
    reason = "one word for a job's steps instead of a lock; see the module's clauses"
)]
mod raw;
mod report;
mod sync;
#[cfg(feature = "task")]
pub mod task;

pub use controller::{Controller, Window};
pub use error::{BuildError, SubmitError, SubmitErrorKind};
pub use group::JobGroup;
pub use job::{CancelReason, JobError, JobHandle, Panic};
pub use metrics::{Histogram, Metrics};
#[cfg(feature = "metrics")]
pub use metrics_observer::MetricsObserver;
pub use observer::{Ending, Observer};
pub use policy::{OnFull, Scaling, Shutdown};
pub use report::{ShutdownReport, Unstarted};
