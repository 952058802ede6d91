//! A function that waits, given as a hook.

use middleware_chain::{Chain, Exchange, Next, Result};

async fn audit(cx: &mut Exchange, next: Next<'_>) -> Result {
    next.run(cx).await
}

fn main() {
    let _ = Chain::builder().hook(audit);
}
