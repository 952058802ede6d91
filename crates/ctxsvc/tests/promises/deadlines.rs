//! When a context ends by itself.

use std::time::{Duration, Instant};

use ctxsvc::Ctx;
use tokio::time::advance;

use crate::is_over;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn a_deadline_fires_through_whatever_was_derived_from_it() {
    let ctx = Ctx::root().with_timeout(ms(50));
    let (inner, _guard) = ctx.with_value(1_u8).cancellable();
    let inner = inner.with_value("two").with_timeout(ms(60));
    assert!(!is_over(&inner));
    advance(ms(49)).await;
    assert!(!is_over(&inner));
    advance(ms(1)).await;
    for ctx in [&ctx, &inner] {
        assert!(is_over(ctx));
        assert!(ctx.check().expect_err("it is over").is_timeout());
    }
}

#[tokio::test(start_paused = true)]
async fn the_earliest_deadline_counts_wherever_it_was_set() {
    // First, second: when it ends.
    for (first, second, ends) in [(10, 20, 10), (20, 10, 10), (10, 10, 10)] {
        let outer = Ctx::root().with_timeout(ms(first));
        let ctx = outer.with_timeout(ms(second));
        assert_eq!(ctx.remaining(), Some(ms(ends)), "{first} {second}");
        assert_eq!(outer.remaining(), Some(ms(first)));
        let started = tokio::time::Instant::now();
        assert!(ctx.done().await.is_timeout());
        assert_eq!(started.elapsed(), ms(ends), "{first} {second}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_past_is_over_at_once_and_one_beyond_the_clock_is_none() {
    let past = Instant::now()
        .checked_sub(ms(1))
        .expect("it runs for longer");
    let ctx = Ctx::root().with_deadline(past);
    assert!(ctx.check().expect_err("it is past").is_timeout());
    assert_eq!(ctx.remaining(), Some(Duration::ZERO));

    let never = Ctx::root().with_timeout(Duration::MAX);
    assert_eq!(never.deadline(), None);
    assert!(!is_over(&never));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_deadline_wakes_on_time_also_when_who_set_the_timer_has_gone() {
    let ctx = Ctx::root().with_timeout(ms(30));
    let mut first = tokio_test::task::spawn(ctx.done());
    tokio_test::assert_pending!(first.poll());
    let second = ctx.clone();
    let waiting = tokio::spawn(async move { second.done().await });
    tokio::task::yield_now().await;
    drop(first);
    let started = tokio::time::Instant::now();
    assert!(waiting.await.expect("no panic").is_timeout());
    assert_eq!(started.elapsed(), ms(30));
}

#[test]
fn a_timer_outlives_the_runtime_that_it_was_set_on() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().expect("a runtime")
    };
    let ctx = Ctx::root().with_timeout(ms(200));
    let first = runtime();
    let waiter = ctx.clone();
    first.spawn(async move { waiter.done().await });
    first.block_on(tokio::task::yield_now());
    let other = runtime();
    let done = other.block_on(async {
        let mut waiting = std::pin::pin!(ctx.done());
        std::future::poll_fn(|cx| {
            assert!(waiting.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        std::thread::spawn(move || drop(first))
            .join()
            .expect("no panic");
        waiting.await
    });
    assert!(done.is_timeout());
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_the_time_is_told() {
    assert_eq!(Ctx::root().remaining(), None);
    let ctx = Ctx::root().with_timeout(ms(10));
    advance(ms(4)).await;
    assert_eq!(ctx.remaining(), Some(ms(6)));
    assert_eq!(ctx.detach().remaining(), None);
}
