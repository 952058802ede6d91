//! A hook, given as a middleware.

use middleware_chain::{Chain, RequestId};

fn main() {
    let _ = Chain::builder().with(RequestId::new());
}
