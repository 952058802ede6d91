//! What a middleware is elsewhere: the request by value, and a response.

use http::{Request, Response};
use middleware_chain::{Chain, Next, RequestBody};

async fn audit(_request: Request<RequestBody>, _next: Next<'_>) -> Response<&'static str> {
    Response::new("ok")
}

fn main() {
    let _ = Chain::builder().with(audit);
}
