//! What a job costs as there is more of everything.

use std::thread;
use std::time::Instant;

use bench::Fact;
use elastic_pool::blocking::Pool;

use crate::THREADS;
use crate::threads::flood_with_handles;

/// How a pool is used, but for one of it.
#[derive(Clone, Copy)]
struct Load {
    jobs: u64,
    workers: usize,
    producers: u64,
    queue: usize,
}

const LOAD: Load = Load {
    jobs: 300_000,
    workers: THREADS,
    producers: 1,
    queue: 1_024,
};

/// The best of several rounds, as the others were disturbed.
fn nanos_per_job(load: Load) -> f64 {
    let pool = Pool::builder().workers(0..=load.workers).queue(load.queue);
    let pool = pool.build().expect("the settings are in range");
    let each = load.jobs / load.producers;
    let rounds = if load.jobs > 1_000_000 { 1 } else { 5 };
    let round = || {
        let began = Instant::now();
        thread::scope(|scope| {
            for _ in 1..load.producers {
                scope.spawn(|| flood_with_handles(&pool, each));
            }
            flood_with_handles(&pool, each);
        });
        let jobs = u32::try_from(each * load.producers).expect("ten millions at most");
        began.elapsed().as_secs_f64() * 1e9 / f64::from(jobs)
    };
    (0..rounds).map(|_| round()).fold(f64::INFINITY, f64::min)
}

pub(crate) fn of_so_many_jobs() -> Fact {
    [1_000, 10_000, 100_000, 1_000_000, 10_000_000]
        .into_iter()
        .fold(Fact::new("ns for each of so many jobs"), |fact, jobs| {
            fact.of(format!("{jobs}"), move || {
                nanos_per_job(Load { jobs, ..LOAD })
            })
        })
}

pub(crate) fn by_so_many_workers() -> Fact {
    [1, 2, 8, 64, 512].into_iter().fold(
        Fact::new("ns for each job, by so many workers"),
        |fact, workers| {
            fact.of(format!("{workers}"), move || {
                nanos_per_job(Load { workers, ..LOAD })
            })
        },
    )
}

pub(crate) fn from_so_many_producers() -> Fact {
    [1, 4, 16, 64].into_iter().fold(
        Fact::new("ns for each job, from so many producers"),
        |fact, producers| {
            fact.of(format!("{producers}"), move || {
                nanos_per_job(Load { producers, ..LOAD })
            })
        },
    )
}

pub(crate) fn through_a_queue_of() -> Fact {
    [16, 128, 1_024, 16_384, 1_000_000].into_iter().fold(
        Fact::new("ns for each job, through a queue of so many"),
        |fact, queue| {
            fact.of(format!("{queue}"), move || {
                nanos_per_job(Load { queue, ..LOAD })
            })
        },
    )
}
