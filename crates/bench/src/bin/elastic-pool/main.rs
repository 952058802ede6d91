//! What a pool of threads costs: ours beside tokio's blocking pool, rayon, blocking, `rusty_pool`,
//! affinitypool, threadpool-executor and two threads on a bounded crossbeam channel.
//!
//! A peer without a handle is asked for none, and ours is there in both forms.

mod contenders;
mod futures;
mod growth;
mod latency;
mod threads;
mod torture;

use std::process::ExitCode;

use bench::Bench;
use threads::{burst, tiny_with_handle};

/// As many threads as the machine of the figures has processors.
const THREADS: usize = 2;

fn main() -> ExitCode {
    if let Some(outcome) = torture::go_through() {
        return outcome;
    }
    Bench::new("elastic-pool")
        .row(tiny_with_handle("tiny jobs, 1 producer, with handle", 1))
        .row(tiny_with_handle("tiny jobs, 4 producers, with handle", 4))
        .row(threads::tiny_without_handle())
        .row(latency::submit_only())
        .row(threads::call())
        .row(burst("burst of 1000 x 1 ms, 64 workers", 64))
        .row(burst("burst of 1000 x 1 ms, 512 workers", 512))
        .row(futures::yields())
        .row(threads::observed())
        .fact(latency::start_under_flood())
        .fact(latency::start_when_idle())
        .fact(latency::behind_blocked_jobs())
        .fact(latency::busy_with_a_burst())
        .fact(latency::peak_memory())
        .fact(latency::wakeups_at_rest())
        .fact(latency::open_loop())
        .fact(latency::trickle())
        .fact(torture::survived())
        .fact(growth::of_so_many_jobs())
        .fact(growth::by_so_many_workers())
        .fact(growth::from_so_many_producers())
        .fact(growth::through_a_queue_of())
        .run()
}
