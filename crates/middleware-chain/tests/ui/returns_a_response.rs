//! A middleware that returns the response instead of answering with it.

use http::Response;
use middleware_chain::{Chain, Exchange, Next};

async fn teapot(_cx: &mut Exchange, _next: Next<'_>) -> Response<&'static str> {
    Response::new("short and stout")
}

fn main() {
    let _ = Chain::builder().with(teapot);
}
