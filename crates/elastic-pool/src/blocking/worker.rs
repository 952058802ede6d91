//! A worker: a thread that takes jobs until there are none for a while.

use std::cell::Cell;
use std::sync::Arc;

use super::inbox::Entry;
use super::seat::Worker;
use super::shared::Shared;
use super::state::Turn;
use crate::Observer;
use crate::job::{Log, Tally};
use crate::sync::{spin_until, thread_local};

thread_local! {
    /// Where the pool lies whose worker this thread is: null for others.
    #[allow(clippy::missing_const_for_thread_local, reason = "loom's has no such form")]
    static POOL: Cell<*const Shared> = Cell::new(std::ptr::null());
}

/// Whether the calling thread is a worker of this pool.
pub(super) fn is_worker_of(shared: &Shared) -> bool {
    // A thread whose locals are gone is no worker any more.
    POOL.try_with(|pool| std::ptr::eq(pool.get(), shared))
        .unwrap_or(false)
}

/// The life of a worker.
pub(super) fn work(shared: &Arc<Shared>) {
    POOL.with(|pool| pool.set(Arc::as_ptr(shared)));
    let tally = Arc::new(Tally::of_one_thread());
    shared.tallies.lock().push(Arc::clone(&tally));
    shared.watch.tell(Observer::worker_started);
    let mut me = Worker::new();
    while step(shared, &mut me, &tally) {}
    shared.watch.tell(Observer::worker_stopped);
    let mut tallies = shared.tallies.lock();
    tallies.retain(|other| !Arc::ptr_eq(other, &tally));
    shared.elsewhere.absorb(&tally);
}

/// One job, one look or one sleep. Says whether the worker stays.
fn step(shared: &Arc<Shared>, me: &mut Worker, tally: &Tally) -> bool {
    match shared.turn(me) {
        Turn::Run(entry) => run(shared, entry, tally),
        Turn::Look { since } => {
            spin_until(|| shared.have_come_since(since));
        }
        Turn::Sleep { until } => {
            me.seat.parker.park(shared.clock.instant(until));
        }
        Turn::Leave => return false,
    }
    true
}

fn run(shared: &Shared, entry: Entry, tally: &Tally) {
    let Entry {
        job,
        enqueued,
        weight,
    } = entry;
    let log = Log::new(tally, &shared.watch, &shared.clock).since(enqueued);
    if weight == 0 {
        job.run(&log);
    } else {
        let began = shared.now();
        let wait = began.saturating_sub(enqueued);
        shared.timings.wait.record(wait, weight);
        job.run(&log);
        let run = shared.now().saturating_sub(began);
        shared.timings.run.record(run, weight);
        shared.control.ended(wait, run);
    }
}
