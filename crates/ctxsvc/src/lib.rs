// The README is the crate documentation: one text, and its examples are doctests.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod cache;
mod ctx;
mod done;
#[cfg(feature = "tower")]
mod propagate;
mod sync;

pub use cache::{CacheError, Cached, CachedBuilder, Hit, Load, Report, Source};
pub use ctx::{AfterDone, CancelGuard, Ctx, Finished, Run, Scoped};
pub use done::Done;
#[cfg(feature = "tower")]
pub use propagate::{
    CtxFuture, CtxLayer, CtxService, Propagate, PropagateFuture, PropagateLayer, TraceParent,
};
