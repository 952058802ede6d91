//! Waiting for a condition, with a bound.

use std::fmt::Debug;
use std::future::{self, Future};
use std::panic::Location;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::ticker::Ticker;

/// Asks `condition` again and again until it holds, and returns what it held.
///
/// A condition returns a `bool`, an [`Option`], or a [`Result`] whose error describes the state:
/// that error is what the panic shows. Prefer it where the reader of a failed run would ask "and
/// what was it instead?".
///
/// The bound is real time and may be generous: it is paid only by a test that fails. Under tokio's
/// paused clock the runtime jumps ahead to its next timer while this waits, as at every await.
///
/// # Panics
///
/// When `bound` is over, with the caller's place in the source and the last state seen. A
/// condition that hangs counts as one that does not hold.
///
/// # Cancel safety
///
/// A dropped wait leaves nothing behind but the effects of its condition.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::time::Duration;
/// use testkit::wait_for;
///
/// let (sender, receiver) = tokio::sync::watch::channel(0);
/// tokio::spawn(async move { sender.send(3) });
///
/// let seen = wait_for(
///     async || {
///         let jobs = *receiver.borrow();
///         if jobs == 3 { Ok(jobs) } else { Err(format!("{jobs} jobs of 3")) }
///     },
///     Duration::from_secs(10),
/// )
/// .await;
/// assert_eq!(seen, 3);
/// # }
/// ```
#[track_caller]
pub fn wait_for<C: Condition>(
    condition: impl AsyncFnMut() -> C,
    bound: Duration,
) -> impl Future<Output = C::Value> {
    let caller = Location::caller();
    async move {
        match poll_until(condition, Instant::now() + bound).await {
            Ok(value) => value,
            Err(state) => panic!("{caller}: waited {bound:?} in vain, last seen: {state}"),
        }
    }
}

async fn poll_until<C: Condition>(
    mut condition: impl AsyncFnMut() -> C,
    deadline: Instant,
) -> Result<C::Value, String> {
    let ticker = future::poll_fn(|cx| Poll::Ready(Ticker::start(cx.waker()))).await;
    let mut last_state = "the condition has not answered once".to_owned();
    loop {
        let mut asked = pin!(condition());
        let answer = future::poll_fn(|cx| {
            ticker.register(cx.waker());
            match asked.as_mut().poll(cx) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending if Instant::now() >= deadline => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        match answer.map(Condition::holds) {
            Some(Ok(value)) => return Ok(value),
            Some(Err(state)) => last_state = state,
            None => return Err(format!("{last_state}, and then it hung")),
        }
        if Instant::now() >= deadline {
            return Err(last_state);
        }
        wait_for_tick(&ticker).await;
    }
}

async fn wait_for_tick(ticker: &Ticker) {
    let mut polls = 0;
    future::poll_fn(|cx| {
        ticker.register(cx.waker());
        polls += 1;
        if polls > 1 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// What the condition of [`wait_for`] may return.
pub trait Condition {
    /// What [`wait_for`] returns once the condition holds.
    type Value;

    /// The value, or the state that stands in its way.
    ///
    /// # Errors
    ///
    /// When the condition does not hold yet.
    fn holds(self) -> Result<Self::Value, String>;
}

impl Condition for bool {
    type Value = ();

    fn holds(self) -> Result<(), String> {
        self.then_some(()).ok_or_else(|| "false".to_owned())
    }
}

impl<T> Condition for Option<T> {
    type Value = T;

    fn holds(self) -> Result<T, String> {
        self.ok_or_else(|| "None".to_owned())
    }
}

impl<T, E: Debug> Condition for Result<T, E> {
    type Value = T;

    fn holds(self) -> Result<T, String> {
        self.map_err(|state| format!("{state:?}"))
    }
}
