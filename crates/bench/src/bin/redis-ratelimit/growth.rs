//! How the cost of a decision grows.

use bench::{Operation, batch};
use redis_ratelimit::{Check, Limiter, Policy};
use tokio::task::JoinSet;

use crate::clients::Clients;
use crate::load::Load;
use crate::peers::ours::{limiter, policy};
use crate::stand::{Limits, Stand};

const WIDE: Load = Load::Wide(100_000);

/// Each of 64 tasks asks for so many limits at once; an operation is so many limits.
pub(crate) fn limits(limits: u64, layers: bool) -> impl Operation {
    let quota = WIDE.quota();
    let stand = Stand::new(async |url| {
        let policies: Vec<_> = (0..limits)
            .map(|nth| policy(&nth.to_string(), quota))
            .collect();
        let user = (limiter(url, layers), policies);
        check_all(&user.0, &user.1, u64::MAX).await;
        user
    });
    let mut asked = 0;
    batch(move |count| {
        // The whole of it: the server ends with this closure.
        let stand = &stand;
        let (limiter, policies) = &stand.user;
        let first = asked;
        asked += count;
        stand.runtime.block_on(async {
            let mut asking = JoinSet::new();
            for task in 0..64 {
                let (limiter, policies) = (limiter.clone(), policies.clone());
                asking.spawn(async move {
                    let mut nth = first + task;
                    while nth < first + count {
                        check_all(&limiter, &policies, WIDE.key(nth)).await;
                        nth += 64;
                    }
                });
            }
            asking.join_all().await;
        });
    })
}

async fn check_all(limiter: &Limiter, policies: &[Policy], key: u64) {
    let key = format!("user:{key}");
    let checks = policies.iter().map(|policy| Check::new(policy, &key));
    let checks: Result<Vec<_>, _> = checks.collect();
    let verdict = limiter.check_all(&checks.expect("a short key")).await;
    assert!(verdict.is_admitted(), "{verdict:?}");
}

/// So many processes with 16 tasks each; an operation is one decision of each process.
pub(crate) fn processes<T: Limits>(processes: u64) -> impl Operation {
    let server = testkit::Redis::start(&[]).expect("redis-server is installed");
    let mut clients = Clients::start::<T>(processes, WIDE, &server.url());
    batch(move |count| {
        // The whole of it: the server ends with this closure.
        let _server = &server;
        clients.ask(count);
    })
}
