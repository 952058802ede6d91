//! Each clause, for Miri and the address sanitizer: the threads are few, and nothing sleeps.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use super::{Begun, Cell, Receiver};
use crate::JobError;
use crate::job::{Call, CancelReason, Log, Tally};
use crate::sync::Parker;

type Work = Box<dyn FnOnce() -> String + Send>;

/// Both a closure and a result with memory of their own, which must be freed once.
fn job() -> (Arc<Cell<Call<Work>, String>>, Receiver<String>) {
    let name = String::from("a result with memory of its own");
    let work: Work = Box::new(move || name + "!");
    Cell::with_receiver(Call::new(work))
}

fn ended<P, W>(begun: Begun<P>) -> P
where
    P: std::ops::Deref<Target = Cell<W, String>>,
{
    begun.end(Ok(String::from("done")))
}

fn wait(mut receiver: Receiver<String>) -> Result<String, JobError> {
    let parker = Arc::new(Parker::current());
    let waker = Waker::from(Arc::clone(&parker));
    loop {
        match receiver.poll(&waker) {
            Poll::Ready(result) => return result,
            Poll::Pending => parker.park(None),
        };
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_job_that_nobody_starts_is_dropped_with_its_cell() {
    let (cell, mut receiver) = job();
    assert!(receiver.poll(Waker::noop()).is_pending());
    assert!(receiver.is_queued() && !receiver.is_ended());
    drop(receiver);
    drop(cell);
}

#[test]
fn one_of_many_starts_a_job() {
    let (cell, receiver) = job();
    let starts = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                if let Some((call, begun)) = Cell::start(&*cell) {
                    starts.fetch_add(1, Ordering::Relaxed);
                    begun.end(Ok(call.run()));
                }
            });
        }
    });
    assert_eq!(starts.into_inner(), 1);
    assert!(receiver.is_ended() && !receiver.is_queued());
    let result = wait(receiver).expect("it was not cancelled");
    assert_eq!(result, "a result with memory of its own!");
}

#[test]
fn a_result_whose_handle_is_gone_is_dropped_with_the_cell() {
    let (cell, receiver) = job();
    let (work, begun) = Cell::start(cell).expect("nobody has started it");
    drop(receiver);
    drop(begun.end(Ok(work.run())));
}

#[test]
fn a_handle_that_waits_is_woken_while_its_job_ends() {
    for _ in 0..20 {
        let (cell, receiver) = job();
        let worker = thread::spawn(move || {
            let (work, begun) = Cell::start(cell).expect("nobody has started it");
            drop(begun.end(Ok(work.run())));
        });
        assert!(wait(receiver).is_ok());
        worker.join().expect("no worker panics");
    }
}

#[test]
fn a_handle_that_changes_its_waker_while_its_job_ends_loses_nothing() {
    for _ in 0..20 {
        let (cell, mut receiver) = job();
        let worker = thread::spawn(move || {
            let (_call, begun) = Cell::start(cell).expect("nobody has started it");
            drop(ended(begun));
        });
        let last = Arc::new(Count::default());
        let mut is_ready = false;
        for _ in 0..3 {
            let other = Waker::from(Arc::new(Count::default()));
            is_ready = is_ready || receiver.poll(&other).is_ready();
        }
        is_ready = is_ready || receiver.poll(&Waker::from(Arc::clone(&last))).is_ready();
        worker.join().expect("no worker panics");
        assert!(is_ready || last.0.load(Ordering::Relaxed) == 1);
    }
}

#[test]
fn a_waker_that_is_known_is_not_cloned_again() {
    let (cell, mut receiver) = job();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    for _ in 0..3 {
        assert!(receiver.poll(&waker).is_pending());
    }
    assert_eq!(Arc::strong_count(&count), 3);
    let (_call, begun) = Cell::start(&*cell).expect("nobody has started it");
    ended(begun);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    assert!(receiver.poll(&waker).is_ready());
}

#[test]
fn a_job_that_is_handed_back_is_counted_before_it_starts() {
    for _ in 0..20 {
        let (cell, receiver) = job();
        let tally = Tally::default();
        thread::scope(|scope| {
            let back = scope.spawn(|| cell.hand_back_work(&tally));
            let (_call, begun) = Cell::start(&*cell).expect("only this thread starts it");
            let is_counted = begun.is_counted();
            if is_counted {
                assert_eq!(tally.read().returned, 1);
            }
            ended(begun);
            let is_back = back.join().expect("it does not panic");
            assert_eq!(is_back, is_counted);
        });
        assert!(wait(receiver).is_ok());
    }
}

#[test]
fn a_job_that_is_cancelled_drops_its_work_and_says_so() {
    let (cell, receiver) = job();
    let tally = Tally::default();
    assert!(cell.cancel_work(CancelReason::Requested, &Log::unseen(&tally)));
    assert!(!cell.cancel_work(CancelReason::Requested, &Log::unseen(&tally)));
    assert_eq!(tally.read().cancelled, 1);
    let error = wait(receiver).expect_err("it is cancelled");
    assert_eq!(error.cancel_reason(), Some(CancelReason::Requested));
}

#[test]
fn a_result_is_given_once() {
    let (cell, mut receiver) = job();
    let (_call, begun) = Cell::start(&*cell).expect("nobody has started it");
    ended(begun);
    assert!(receiver.poll(Waker::noop()).is_ready());
    let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _result = receiver.poll(Waker::noop());
    }));
    assert!(again.is_err());
}

#[test]
fn a_cell_is_no_larger_than_it_has_to_be() {
    type Tiny = Cell<Call<fn() -> u64>, u64>;
    // With the two counts of its `Arc`, and the header of malloc: 96 bytes at most.
    assert!(size_of::<Tiny>() + 2 * size_of::<usize>() <= 88);
}

#[test]
fn a_future_can_wait_for_a_cell() {
    let (cell, mut receiver) = job();
    let future = std::future::poll_fn(move |cx| receiver.poll(cx.waker()));
    let mut future = pin!(future);
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(cx).is_pending());
    let (_call, begun) = Cell::start(&*cell).expect("nobody has started it");
    ended(begun);
    assert!(future.as_mut().poll(cx).is_ready());
}
