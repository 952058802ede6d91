//! Dropping a future at each of its awaits.

use std::future::{self, Future};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use crate::ticker::Ticker;

/// How long a future may wait without being woken before it counts as stuck.
const STUCK: Duration = Duration::from_secs(10);

/// Drops the future made by `make` at each of its awaits in turn, calls `check` after each drop,
/// and returns the number of awaits at which it was dropped.
///
/// The first future is dropped before it is polled, the second at its first await that has to
/// wait, and so on, until one completes: then `check` is called a last time, with its output
/// dropped too. `check` gets the number of awaits that the future had reached, and has the books
/// to balance: permits back, connections returned, nothing held.
///
/// An await is a place where the future returned `Pending` and after which it was woken. What is
/// ready at once is none, so let the future wait for real: an answer over a socket, a permit that
/// another task gives back, `yield_now`. Assert the number returned, or that it is not zero: a
/// future that never waits makes this test nothing.
///
/// # Panics
///
/// When a future is not woken for ten seconds of real time: a lost wake-up, or a wait for
/// something that never comes.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use testkit::every_await;
/// use tokio::sync::Semaphore;
///
/// let permits = Semaphore::new(1);
/// let awaits = every_await(
///     async || {
///         let _permit = permits.acquire().await;
///         tokio::task::yield_now().await;
///         tokio::task::yield_now().await;
///     },
///     async |at| assert_eq!(permits.available_permits(), 1, "dropped at await {at}"),
/// )
/// .await;
/// assert_eq!(awaits, 2);
/// # }
/// ```
pub async fn every_await<T>(
    mut make: impl AsyncFnMut() -> T,
    mut check: impl AsyncFnMut(usize),
) -> usize {
    let mut reached = 0;
    loop {
        let completed = drop_at(make(), reached).await;
        if completed {
            // The awaits were used up by the run before this one.
            let awaits = reached - 1;
            check(awaits).await;
            return awaits;
        }
        check(reached).await;
        reached += 1;
    }
}

/// Drops `future` when it waits for the `nth` time, 0 being before the first poll. True if it
/// completed instead.
async fn drop_at<F: Future>(future: F, nth: usize) -> bool {
    let mut future = pin!(future);
    let mut alarm = Alarm::set().await;
    for waits in 0..nth {
        let polled = future::poll_fn(|cx| alarm.poll_once_woken(future.as_mut(), cx, waits)).await;
        if polled.is_ready() {
            return true;
        }
    }
    false
}

/// Polls a future only when it was woken, and sees to it that this does not take for ever.
struct Alarm {
    bell: Arc<Bell>,
    ticker: Ticker,
    stuck_at: Instant,
}

impl Alarm {
    async fn set() -> Self {
        future::poll_fn(|cx| {
            Poll::Ready(Self {
                bell: Arc::new(Bell {
                    rung: AtomicBool::new(true),
                    task: Mutex::new(cx.waker().clone()),
                }),
                ticker: Ticker::start(cx.waker()),
                stuck_at: Instant::now() + STUCK,
            })
        })
        .await
    }

    /// Ready with the outcome of one poll, pending until the future is woken for it.
    fn poll_once_woken<F: Future>(
        &mut self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
        waits: usize,
    ) -> Poll<Poll<F::Output>> {
        self.ticker.register(cx.waker());
        self.bell.task().clone_from(cx.waker());
        if self.bell.rung.swap(false, Ordering::SeqCst) {
            self.stuck_at = Instant::now() + STUCK;
            let waker = Waker::from(Arc::clone(&self.bell));
            return Poll::Ready(future.poll(&mut Context::from_waker(&waker)));
        }
        assert!(
            Instant::now() < self.stuck_at,
            "the future waited at await {waits} and was not woken for {STUCK:?}"
        );
        Poll::Pending
    }
}

/// The waker that the future sees.
struct Bell {
    rung: AtomicBool,
    task: Mutex<Waker>,
}

impl Bell {
    fn task(&self) -> MutexGuard<'_, Waker> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        let task = self.task().clone();
        task.wake();
    }
}
