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

#[cfg(feature = "json")]
pub use cache::Json;
pub use cache::{CacheError, Cached, CachedBuilder, Committed, Hit, Load, Report, Source};
#[cfg(feature = "redis")]
pub use cache::{Codec, CodecError, Redis, RedisUrlError};
pub use ctx::{AfterDone, CancelGuard, Ctx, Finished, Run, Scoped};
pub use done::Done;
#[cfg(feature = "tower")]
pub use propagate::{
    CtxFuture, CtxLayer, CtxService, Propagate, PropagateFuture, PropagateLayer, TraceParent,
};
