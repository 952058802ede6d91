// The README is the crate documentation: one text, and its examples are doctests.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(feature = "redis"),
    allow(
        dead_code,
        clippy::unnecessary_wraps,
        clippy::unused_async,
        reason = "memory never waits and never fails, and needs a part of the core"
    )
)]

mod check;
mod concurrency;
#[cfg_attr(
    not(feature = "redis"),
    allow(
        dead_code,
        reason = "it is the whole specification, of which memory needs a part"
    )
)]
mod core;
mod decision;
mod error;
mod failure;
mod fault;
#[cfg(feature = "redis")]
mod few;
mod limiter;
mod observe;
mod policy;
#[cfg(feature = "tower")]
mod proxies;
mod quota;
mod store;
mod sync;
mod table;
#[cfg(feature = "tower")]
mod tower;
mod verdict;

pub use check::Check;
pub use concurrency::Concurrency;
pub use decision::{Decision, Source, State};
#[cfg(feature = "tower")]
pub use error::ProxyError;
pub use error::{AcquireError, CheckError, PolicyError};
pub use failure::{Doubt, FailurePolicy};
pub use fault::{Applied, Fault, FaultKind};
pub use limiter::{Limiter, LimiterBuilder, Permit};
pub use policy::Policy;
#[cfg(feature = "tower")]
pub use proxies::TrustedProxies;
pub use quota::Quota;
pub use store::MemoryStore;
#[cfg(feature = "redis")]
pub use store::RedisStore;
#[cfg(feature = "tower")]
pub use tower::{Headers, RateLimit, RateLimitLayer, ResponseBody, ResponseFuture};
pub use verdict::Verdict;
