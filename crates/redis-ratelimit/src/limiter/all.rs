//! Several futures at once, on the caller's task.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Runs futures all at once, and returns what they do in their order. Only those are looked at
/// again that have something to do.
pub(super) async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| Some(Box::pin(future))).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    let calls = Calls::of_all(running.len());
    let mut left = running.len();
    poll_fn(|cx| {
        for index in calls.take(cx.waker()) {
            let future = running[index].as_mut();
            if let Some(Poll::Ready(output)) = future.map(|future| poll(future, &calls, index)) {
                running[index] = None;
                outputs[index] = Some(output);
                left -= 1;
            }
        }
        if left == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

fn poll<F: Future>(future: &mut Pin<Box<F>>, calls: &Arc<Calls>, index: usize) -> Poll<F::Output> {
    let waker = Waker::from(Arc::new(Call {
        calls: Arc::clone(calls),
        index,
    }));
    future.as_mut().poll(&mut Context::from_waker(&waker))
}

/// Who has something to do.
struct Calls {
    waiting: Mutex<Waiting>,
}

struct Waiting {
    indices: Vec<usize>,
    task: Waker,
}

impl Calls {
    fn of_all(count: usize) -> Arc<Self> {
        let waiting = Waiting {
            indices: (0..count).collect(),
            task: Waker::noop().clone(),
        };
        Arc::new(Self {
            waiting: Mutex::new(waiting),
        })
    }

    /// Those who have called, and from now on the task is woken for the next one.
    fn take(&self, task: &Waker) -> Vec<usize> {
        let mut waiting = self.waiting();
        waiting.task.clone_from(task);
        std::mem::take(&mut waiting.indices)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing that could panic runs while it is not in order.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One future's.
struct Call {
    calls: Arc<Calls>,
    index: usize,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        let mut waiting = self.calls.waiting();
        waiting.indices.push(self.index);
        let task = waiting.task.clone();
        drop(waiting);
        task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::oneshot;
    use tokio_test::task;
    use tokio_test::{assert_pending, assert_ready};

    use super::*;

    #[test]
    fn each_of_a_thousand_is_looked_at_when_it_has_something_to_do_and_not_before() {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..1_000).map(|_| oneshot::channel::<usize>()).unzip();
        let polls = Cell::new(0);
        let counted = |mut receiver: oneshot::Receiver<usize>| {
            let polls = &polls;
            poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                Pin::new(&mut receiver).poll(cx)
            })
        };
        let mut asked = task::spawn(all(receivers.into_iter().map(counted)));
        assert_pending!(asked.poll());
        for (number, sender) in senders.into_iter().enumerate().rev() {
            assert!(!asked.is_woken());
            sender.send(number).expect("it waits");
            assert!(asked.is_woken());
            if number > 0 {
                assert_pending!(asked.poll());
            }
        }
        let answers: Result<Vec<_>, _> = assert_ready!(asked.poll()).into_iter().collect();
        assert_eq!(answers, Ok((0..1_000).collect()));
        assert_eq!(polls.get(), 2_000);
    }

    #[test]
    fn none_are_done_at_once() {
        let mut asked = task::spawn(all(std::iter::empty::<std::future::Ready<()>>()));
        assert_eq!(assert_ready!(asked.poll()), []);
    }
}
