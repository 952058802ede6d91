//! A middleware that makes up that there is an answer.

use middleware_chain::{Chain, Done, Exchange, Next, Result};

async fn audit(_cx: &mut Exchange, _next: Next<'_>) -> Result {
    Ok(Done(()))
}

fn main() {
    let _ = Chain::builder().with(audit);
}
