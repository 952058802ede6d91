// The README is the crate documentation: one text, and its examples are doctests.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod cache;
#[cfg(any(feature = "redis", feature = "postgres", feature = "sqlite"))]
mod call;
mod ctx;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod db;
mod done;
#[cfg(feature = "tower")]
mod propagate;
mod sync;

#[cfg(feature = "json")]
pub use cache::Json;
#[cfg(feature = "postcard")]
pub use cache::Postcard;
pub use cache::{CacheError, Cached, CachedBuilder, Committed, Hit, Load, Report, Source};
#[cfg(feature = "redis")]
pub use cache::{Codec, CodecError, Redis, RedisUrlError};
pub use ctx::{AfterDone, CancelGuard, Ctx, Finished, Run, Scoped};
#[cfg(feature = "postgres")]
pub use db::stops_when_abandoned;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub use db::{Guarded, OnPool, Transaction};
pub use done::Done;
#[cfg(feature = "tower")]
pub use propagate::{
    CtxFuture, CtxLayer, CtxService, Propagate, PropagateFuture, PropagateLayer, TraceParent,
};
