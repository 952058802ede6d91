//! What becomes of checks that wait for each other.

use std::net::TcpListener;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use redis_ratelimit::{
    Applied, Check, Decision, FailurePolicy, Limiter, LimiterBuilder, Policy, Quota, RedisStore,
};
use tokio::runtime::Builder;

/// Of a server that lets everybody connect, and never says a word.
fn silent() -> (TcpListener, LimiterBuilder) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let store = RedisStore::open(&format!("redis://{address}")).expect("a URL");
    let settings = Limiter::builder().redis(store, FailurePolicy::Closed);
    (listener, settings.budget(Duration::from_secs(3_600)))
}

#[test]
fn those_who_wait_when_a_runtime_ends_are_told_that_nothing_was_sent() {
    let (_listener, settings) = silent();
    let limiter = settings.coalesce().build();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    // Each has a quota of its own, so none of them can go together with another one.
    let policy = |units| Policy::fixed_window("p", Quota::per_day(units)).expect("a quota");
    runtime.block_on(async {
        for _ in 0..2 {
            let (limiter, policy) = (limiter.clone(), policy(1));
            tokio::spawn(async move {
                let check = Check::new(&policy, "key").expect("a short key");
                limiter.check(check).await
            });
        }
        // Both are on their way after this.
        tokio::task::yield_now().await;
    });
    let mut waiting: Vec<_> = (1..=50_000)
        .map(|units| {
            let (limiter, policy) = (limiter.clone(), policy(units));
            Box::pin(async move {
                let check = Check::new(&policy, "key").expect("a short key");
                limiter.check(check).await
            })
        })
        .collect();
    let mut cx = Context::from_waker(Waker::noop());
    {
        let _context = runtime.enter();
        for waiting in &mut waiting {
            assert!(pin!(waiting).poll(&mut cx).is_pending());
        }
    }
    drop(runtime);
    for waiting in &mut waiting {
        let Poll::Ready(Decision::Unknown(doubt)) = pin!(waiting).poll(&mut cx) else {
            panic!("nobody answers");
        };
        assert_eq!(doubt.cause().applied(), Applied::No);
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_go_leave_the_queue_to_the_others() {
    let (_listener, settings) = silent();
    let limiter = settings.coalesce().build();
    let policy = Policy::gcra("p", Quota::per_day(5)).expect("a quota");
    let check = Check::new(&policy, "key").expect("a short key");
    let waiting = |shown: &str| {
        let debug = format!("{limiter:?}");
        assert!(debug.contains(&format!("waiting: {shown}")), "{debug}");
    };
    let mut cx = Context::from_waker(Waker::noop());
    let mut checks: Vec<_> = (0..7).map(|_| Box::pin(limiter.check(check))).collect();
    for asked in &mut checks {
        assert!(asked.as_mut().poll(&mut cx).is_pending());
    }
    waiting("5");
    // From the middle, from both ends, and all of them.
    drop(checks.remove(4));
    waiting("5");
    drop(checks.remove(5));
    waiting("4");
    drop(checks.remove(2));
    waiting("3");
    checks.truncate(2);
    waiting("0");
    let again = Box::pin(limiter.check(check));
    let mut again = [again];
    assert!(again[0].as_mut().poll(&mut cx).is_pending());
    waiting("1");
}
