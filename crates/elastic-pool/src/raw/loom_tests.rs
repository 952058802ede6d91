//! Who meets at a cell, in every order. Loom also sees who touches the same memory at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Wake, Waker};

use super::{Cell, Receiver};
use crate::job::{Call, CancelReason, Log, Tally};

type Job = fn() -> u64;

fn job() -> (Arc<Cell<Call<Job>, u64>>, Receiver<u64>) {
    Cell::with_receiver(Call::new((|| 7) as Job))
}

fn run(cell: &Cell<Call<Job>, u64>) -> bool {
    let Some((call, begun)) = Cell::start(cell) else {
        return false;
    };
    begun.end(Ok(call.run()));
    true
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_handle_that_changes_its_waker_while_its_job_ends_is_told() {
    loom::model(|| {
        let (cell, mut receiver) = job();
        let worker = loom::thread::spawn(move || run(&cell));
        let last = Arc::new(Count::default());
        let wakers = [
            Waker::noop().clone(),
            Waker::from(Arc::new(Count::default())),
            Waker::from(Arc::clone(&last)),
        ];
        let mut polls = wakers.iter().map(|waker| receiver.poll(waker));
        let is_ready = polls.any(|poll| poll.is_ready());
        assert!(worker.join().expect("it does not panic"));
        if !is_ready {
            assert_eq!(last.0.load(Ordering::Relaxed), 1);
            assert!(matches!(receiver.poll(Waker::noop()), Poll::Ready(Ok(7))));
        }
    });
}

#[test]
fn a_job_that_is_run_cancelled_and_handed_back_at_once_ends_once_and_is_counted_once() {
    loom::model(|| {
        let (cell, mut receiver) = job();
        let tally = Arc::new(Tally::default());
        let canceller = {
            let (cell, tally) = (Arc::clone(&cell), Arc::clone(&tally));
            loom::thread::spawn(move || {
                cell.cancel_work(CancelReason::Requested, &Log::unseen(&tally))
            })
        };
        let shutdown = {
            let (cell, tally) = (Arc::clone(&cell), Arc::clone(&tally));
            loom::thread::spawn(move || cell.hand_back_work(&tally))
        };
        let (was_run, was_counted) = match Cell::start(&*cell) {
            Some((call, begun)) => {
                let is_counted = begun.is_counted();
                // Whoever starts it finds it counted.
                assert!(!is_counted || tally.read().returned == 1);
                begun.end(Ok(call.run()));
                (true, is_counted)
            }
            None => (false, false),
        };
        let was_cancelled = canceller.join().expect("it does not panic");
        let was_returned = shutdown.join().expect("it does not panic");
        assert_eq!(u8::from(was_run) + u8::from(was_cancelled), 1);
        assert!(!was_run || was_counted == was_returned);
        let counted = tally.read();
        let uncounted_run = u64::from(was_run && !was_counted);
        assert_eq!(counted.returned + counted.cancelled + uncounted_run, 1);
        assert!(receiver.poll(Waker::noop()).is_ready());
    });
}
