//! The members that a service needs, a file each.

mod access_log;
mod body_limit;
mod catch_panic;
mod client_addr;
mod concurrency;
mod condition;
mod cut;
mod host_check;
mod json;
#[cfg(feature = "metrics")]
mod metrics;
mod problem_json;
#[cfg(feature = "tracing")]
mod query;
mod request_id;
mod route_tag;
#[cfg(any(feature = "metrics", feature = "tracing"))]
mod semconv;
mod timeout;
#[cfg(feature = "tracing")]
mod trace;

pub use access_log::{AccessLog, LogFormat, Sink};
pub use body_limit::BodyLimit;
pub use catch_panic::CatchPanic;
pub use client_addr::ClientAddr;
pub use concurrency::Concurrency;
pub use condition::{Match, When};
pub use host_check::HostCheck;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use metrics::Metrics;
pub use problem_json::ProblemJson;
pub use request_id::RequestId;
pub use route_tag::{RouteTag, RouteTagService};
pub use timeout::Timeout;
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub use trace::Trace;
