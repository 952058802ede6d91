//! Contexts over the wire, for tower services that speak HTTP or gRPC.

mod future;
mod incoming;
mod outgoing;
mod timeout;
mod traceparent;

pub use future::{CtxFuture, PropagateFuture};
pub use incoming::{CtxLayer, CtxService};
pub use outgoing::{Propagate, PropagateLayer};
pub use traceparent::TraceParent;

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// How a request of gRPC is told from one of plain HTTP.
fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}
