//! The members that a service needs, a file each.

mod access_log;
mod body_limit;
mod catch_panic;
mod client_addr;
mod concurrency;
mod condition;
mod host_check;
mod problem_json;
mod request_id;
mod route_tag;
mod timeout;

pub use access_log::{AccessLog, LogFormat, Sink};
pub use body_limit::BodyLimit;
pub use catch_panic::CatchPanic;
pub use client_addr::ClientAddr;
pub use concurrency::Concurrency;
pub use condition::{Match, When};
pub use host_check::HostCheck;
pub use problem_json::ProblemJson;
pub use request_id::RequestId;
pub use route_tag::{RouteTag, RouteTagService};
pub use timeout::Timeout;
