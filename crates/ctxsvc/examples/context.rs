//! What a context does for a request that fans out: one part is slow, and all of it ends in time.
//! Look for the line that was cut short, and for the time it took.

use std::time::Duration;

use ctxsvc::Ctx;
use tokio::time::{Instant, sleep};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let started = Instant::now();
    let ctx = Ctx::root().with_timeout_because(Duration::from_millis(50), "the page has 50 ms");
    let parts = [("profile", 10), ("orders", 30), ("recommendations", 500)];
    let parts = parts.map(|(name, ms)| {
        let work = async move { sleep(Duration::from_millis(ms)).await };
        (name, ctx.spawn(work))
    });
    for (name, part) in parts {
        let outcome = match part.await {
            Ok(Ok(())) => "done".to_owned(),
            Ok(Err(done)) => match done.cause() {
                Some(cause) => format!("{done}: {cause}"),
                None => done.to_string(),
            },
            Err(panic) => panic.to_string(),
        };
        println!(
            "{name:>16}  {:3} ms  {outcome}",
            started.elapsed().as_millis()
        );
    }
}
