//! Two nodes share a limit through Redis, and go on without it.
//!
//! Run `cargo run -p redis-ratelimit --example shared`, with `REDIS_URL` set if you have a Redis.
//! What to look for: with Redis the two nodes admit ten requests together. Without it each admits
//! its share of five, and says that it does not know better.

use std::num::NonZeroU32;

use redis_ratelimit::{Check, Decision, FailurePolicy, Limiter, Policy, Quota, RedisStore};

const NODES: NonZeroU32 = NonZeroU32::new(2).expect("two is not zero");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A port on which nobody listens stands for a Redis that is away.
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:1".to_owned());
    let node = || -> Result<Limiter, redis_ratelimit::Fault> {
        let store = RedisStore::open(&url)?;
        let on_failure = FailurePolicy::Local { nodes: NODES };
        Ok(Limiter::builder().redis(store, on_failure).build())
    };
    let nodes = [node()?, node()?];
    let policy = Policy::gcra("example", Quota::per_hour(10))?;
    let check = Check::new(&policy, "everybody")?;
    if let Err(fault) = nodes[0].reset(check).await {
        println!("without Redis: {fault}");
    }

    for (number, node) in nodes.iter().enumerate() {
        let (mut admitted, mut unknown) = (0, 0);
        for _ in 0..8 {
            let decision = node.check(check).await;
            admitted += u32::from(decision.is_admitted());
            unknown += u32::from(matches!(decision, Decision::Unknown(_)));
        }
        println!("node {number}: {admitted} of 8 admitted, {unknown} decided on its own");
    }
    Ok(())
}
