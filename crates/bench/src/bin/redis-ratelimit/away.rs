//! Decisions while Redis is away. Ours alone: no peer has a budget or a breaker.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bench::{Operation, batch};
use redis_ratelimit::{
    Check, Decision, FailurePolicy, FaultKind, Limiter, LimiterBuilder, Policy, RedisStore,
};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::load::Load;
use crate::peers::ours::policy;

const BUDGET: Duration = Duration::from_millis(50);

fn settings(listener: &TcpListener) -> LimiterBuilder {
    let address = listener.local_addr().expect("it is bound");
    let store = RedisStore::open(&format!("redis://{address}")).expect("a URL");
    let settings = Limiter::builder().redis(store, FailurePolicy::Closed);
    settings.budget(BUDGET)
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

async fn fault(limiter: &Limiter, policy: &Policy) -> FaultKind {
    let check = Check::new(policy, "user:42").expect("a short key");
    match limiter.check(check).await {
        Decision::Unknown(doubt) => doubt.cause().kind(),
        decision => panic!("nobody has decided: {decision:?}"),
    }
}

/// Milliseconds that the slowest hundredth of decisions takes beyond its budget, of a server that
/// never says a word. Each is one of sixteen that are asked for at once, before the breaker opens.
pub(crate) fn overdue_ms(layers: bool) -> f64 {
    const TASKS: usize = 16;
    const ROUNDS: usize = 200;
    let listener = listener();
    let runtime = Builder::new_current_thread().enable_all().build();
    let mut millis = Vec::new();
    runtime.expect("a runtime").block_on(async {
        for _ in 0..ROUNDS {
            let settings = settings(&listener);
            let limiter = if layers {
                settings.coalesce().deny_cache(100_000).build()
            } else {
                settings.build()
            };
            let mut asking = JoinSet::new();
            for _ in 0..TASKS {
                let (limiter, policy) = (limiter.clone(), policy("p", Load::Hot.quota()));
                asking.spawn(async move {
                    let asked = Instant::now();
                    assert_eq!(fault(&limiter, &policy).await, FaultKind::Timeout);
                    asked.elapsed().as_secs_f64() * 1e3
                });
            }
            millis.extend(asking.join_all().await);
        }
    });
    millis.sort_by(f64::total_cmp);
    let overdue = millis[millis.len() * 99 / 100] - BUDGET.as_secs_f64() * 1e3;
    (overdue * 10.0).round() / 10.0
}

/// A decision while the breaker is open.
pub(crate) fn not_asked() -> impl Operation {
    // Nobody listens there any more.
    let limiter = settings(&listener()).build();
    let policy = policy("p", Load::Hot.quota());
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async { while fault(&limiter, &policy).await != FaultKind::BreakerOpen {} });
    batch(move |count| {
        runtime.block_on(async {
            for _ in 0..count {
                assert_eq!(fault(&limiter, &policy).await, FaultKind::BreakerOpen);
            }
        });
    })
}
