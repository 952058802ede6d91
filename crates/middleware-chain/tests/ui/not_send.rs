//! A middleware that holds something across an await that must stay on its thread.

use std::rc::Rc;

use middleware_chain::{Chain, Exchange, Next, Result};

async fn audit(cx: &mut Exchange, next: Next<'_>) -> Result {
    let name = Rc::new("audit");
    let done = next.run(cx).await;
    println!("{name}");
    done
}

fn main() {
    let _ = Chain::builder().with(audit);
}
