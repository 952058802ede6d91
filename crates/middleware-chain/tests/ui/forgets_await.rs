//! A middleware that returns the future of what is inside.

use middleware_chain::{Chain, Exchange, Next, Result};

async fn audit(cx: &mut Exchange, next: Next<'_>) -> Result {
    next.run(cx)
}

fn main() {
    let _ = Chain::builder().with(audit);
}
