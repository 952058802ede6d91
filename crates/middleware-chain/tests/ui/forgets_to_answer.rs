//! A middleware that neither answers nor runs what is inside.

use middleware_chain::{Chain, Exchange, Next, Result};

async fn audit(cx: &mut Exchange, next: Next<'_>) -> Result {
    println!("{}", cx.request().uri);
}

fn main() {
    let _ = Chain::builder().with(audit);
}
