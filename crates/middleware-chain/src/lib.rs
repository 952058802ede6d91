// The README is the crate documentation: one text, and its examples are doctests.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod boundary;
mod call;
mod chain;
mod error;
mod exchange;
mod exit;
mod hook;
mod hooks;
mod members;
mod middleware;
mod panics;
mod random;
#[allow(
    unsafe_code,
    reason = "the frame of a request: see the argument in its documentation"
)]
mod raw;
mod role;
mod service;
#[cfg(feature = "tracing")]
mod trace_context;

pub use body::{Body, RequestBody, ResponseBody};
pub use boundary::Rest;
pub use chain::{Chain, ChainBuilder, Member, Warning};
pub use error::{BoxError, BuildError, Error, Result};
pub use exchange::{Done, Exchange, RouteSlot};
pub use exit::{Exit, Outcome};
pub use hook::{Flow, Hook};
pub use hooks::Hooks;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use members::Metrics;
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub use members::Trace;
pub use members::{
    AccessLog, BodyLimit, CatchPanic, ClientAddr, Concurrency, HostCheck, LogFormat, Match,
    ProblemJson, RequestId, RouteTag, RouteTagService, Sink, Timeout, When,
};
pub use middleware::Middleware;
pub use raw::{Next, NextFuture};
pub use role::Role;
pub use service::{ChainService, ResponseFuture};
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub use trace_context::TraceContext;
