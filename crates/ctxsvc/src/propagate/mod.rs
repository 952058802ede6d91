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

/// How a request of gRPC is told from one of plain HTTP: the content type is `application/grpc`,
/// with the format or parameters behind it (gRPC over HTTP2, section "Requests"). That of gRPC-Web
/// is another protocol.
fn is_grpc(headers: &HeaderMap) -> bool {
    const TYPE: &[u8] = b"application/grpc";

    let Some(value) = headers.get(CONTENT_TYPE) else {
        return false;
    };
    match value.as_bytes().split_at_checked(TYPE.len()) {
        Some((start, rest)) => {
            start.eq_ignore_ascii_case(TYPE) && matches!(rest, [] | [b'+' | b';' | b' ', ..])
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn grpc_is_told_by_its_own_content_type() {
        for (content_type, is_it) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc;charset=utf-8", true),
            ("application/grpc ; charset=utf-8", true),
            ("Application/GRPC", true),
            ("application/grpc-web", false),
            ("application/grpcfoo", false),
            ("application/grp", false),
            ("application/json", false),
            ("", false),
        ] {
            let value = HeaderValue::from_static(content_type);
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
            assert_eq!(is_grpc(&headers), is_it, "{content_type}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
