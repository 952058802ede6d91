//! Limits in memory: a burst, a refusal, and a wait that takes as long as it has to.
//!
//! Run `cargo run -p redis-ratelimit --example memory`. What to look for: three of five
//! requests pass at once, and the one that waits is admitted after a fifth of a second.

use std::time::{Duration, Instant};

use redis_ratelimit::{Check, Limiter, Policy, Quota};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let limiter = Limiter::memory();
    let api = Policy::gcra("api", Quota::per_second(5).burst(3))?;
    let check = Check::new(&api, "user:42")?;

    for request in 1..=5 {
        let decision = limiter.check(check).await;
        match decision.retry_after() {
            None => println!("request {request}: admitted"),
            Some(wait) => println!(
                "request {request}: denied, again in {} ms",
                wait.as_millis()
            ),
        }
    }

    let started = Instant::now();
    let decision = limiter.until_ready(check, Duration::from_secs(1)).await;
    let waited = started.elapsed().as_millis();
    println!(
        "request 6: admitted is {} after {waited} ms",
        decision.is_admitted()
    );
    Ok(())
}
