//! What `wait_for` and `every_await` promise.

use std::cell::Cell;
use std::future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use testkit::{every_await, wait_for};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{self, sleep};

const SOON: Duration = Duration::from_millis(20);
const AMPLE: Duration = Duration::from_secs(10);

/// Runs a future that panics, and returns the words.
fn panic_of(future: impl Future) -> String {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(future);
    }));
    let words = outcome.expect_err("the future panics");
    *words.downcast::<String>().expect("a formatted message")
}

#[tokio::test]
async fn a_wait_returns_what_the_condition_held() {
    let asked = Cell::new(0);
    let count = || {
        asked.set(asked.get() + 1);
        asked.get()
    };
    wait_for(async || count() > 3, AMPLE).await;
    assert_eq!(wait_for(async || Some(count()), AMPLE).await, 5);
    let sixth = async || {
        if count() > 7 {
            Ok("done")
        } else {
            Err("not yet")
        }
    };
    assert_eq!(wait_for(sixth, AMPLE).await, "done");
    assert_eq!(asked.get(), 8);
}

#[test]
fn a_wait_in_vain_names_its_place_and_the_last_state() {
    let line = line!() + 1;
    let words = panic_of(wait_for(async || Err::<(), _>("2 of 3 jobs"), SOON));
    for part in ["promises.rs", &format!(":{line}:"), "20ms", "2 of 3 jobs"] {
        assert!(words.contains(part), "{part} in {words}");
    }
}

#[test]
fn a_condition_that_hangs_is_given_up_at_the_bound() {
    let words = panic_of(wait_for(async || future::pending::<bool>().await, SOON));
    assert!(words.contains("has not answered"), "{words}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_real_time_and_lets_a_paused_clock_run() {
    let (began, began_really) = (time::Instant::now(), Instant::now());
    let hour = tokio::spawn(sleep(Duration::from_hours(1)));
    wait_for(async || hour.is_finished(), AMPLE).await;
    assert!(began.elapsed() >= Duration::from_hours(1));
    assert!(began_really.elapsed() < AMPLE);
}

#[test]
fn a_wait_needs_no_runtime() {
    let words = catch_unwind(|| {
        let waiting = wait_for(async || false, SOON);
        let mut waiting = std::pin::pin!(waiting);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        while waiting.as_mut().poll(&mut cx).is_pending() {}
    });
    assert!(words.is_err(), "the bound holds without a runtime");
}

/// A pool of one connection, with what can go wrong in one.
#[derive(Default)]
struct Pool {
    taken: Cell<u32>,
}

struct Guard<'a>(&'a Pool);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.taken.set(self.0.taken.get() - 1);
    }
}

impl Pool {
    fn take(&self) {
        self.taken.set(self.taken.get() + 1);
    }

    async fn leaky_checkout(&self) {
        self.take();
        yield_now().await;
        yield_now().await;
        yield_now().await;
        self.taken.set(self.taken.get() - 1);
    }

    async fn guarded_checkout(&self) {
        self.take();
        let _guard = Guard(self);
        yield_now().await;
        yield_now().await;
        yield_now().await;
    }
}

#[tokio::test]
async fn a_leak_is_found_at_every_await_and_a_guard_leaks_at_none() {
    let leaky = Pool::default();
    let lost = Cell::new(0);
    let count_leak = async |_await| lost.set(lost.get() + leaky.taken.replace(0));
    assert_eq!(
        every_await(async || leaky.leaky_checkout().await, count_leak).await,
        3
    );
    assert_eq!(lost.get(), 3);

    let guarded = Pool::default();
    let check = async |at| assert_eq!(guarded.taken.get(), 0, "await {at}");
    assert_eq!(
        every_await(async || guarded.guarded_checkout().await, check).await,
        3
    );
}

#[tokio::test]
async fn each_await_is_reached_once_and_then_the_end() {
    let progress = Cell::new(0);
    let seen = Cell::new(Vec::new());
    let steps = async || {
        progress.set(1);
        yield_now().await;
        progress.set(2);
        yield_now().await;
        progress.set(3);
    };
    let record = async |at| {
        let mut so_far = seen.take();
        so_far.push((at, progress.replace(0)));
        seen.set(so_far);
    };
    assert_eq!(every_await(steps, record).await, 2);
    assert_eq!(seen.take(), [(0, 0), (1, 1), (2, 2), (2, 3)]);
}

#[tokio::test]
async fn a_future_that_never_waits_is_counted_as_having_no_awaits() {
    let checked = Cell::new(0);
    let check = async |_await| checked.set(checked.get() + 1);
    assert_eq!(
        every_await(async || future::ready(()).await, check).await,
        0
    );
    assert_eq!(checked.get(), 2, "before the first poll and after the end");
}

#[tokio::test]
async fn a_poll_that_nobody_woke_for_is_no_await() {
    let answer = || {
        let (sender, mut receiver) = mpsc::channel::<()>(1);
        tokio::spawn(async move {
            yield_now().await;
            sender.send(()).await
        });
        async move { receiver.recv().await }
    };
    // The neighbour wakes the task again and again while the future waits for its answer.
    let neighbour = async {
        for _ in 0..50 {
            yield_now().await;
        }
    };
    let (awaits, ()) = tokio::join!(
        every_await(async || answer().await, async |_| ()),
        neighbour
    );
    assert_eq!(awaits, 1);
}
