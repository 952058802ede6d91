//! What a job costs on threads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use bench::{Operation, Row, batch, each};
use elastic_pool::blocking::Pool;
use elastic_pool::{Ending, Observer};

use crate::THREADS;
use crate::contenders::{Job, ours, rayon, tokio};

/// Tiny jobs, of which each producer waits for its last: with one worker they end in order, with two
/// nearly.
pub(crate) fn tiny_with_handle(name: &str, producers: u64) -> Row {
    Row::new(name)
        .ours("elastic-pool", move |_| {
            let pool = ours(THREADS);
            produced_by(producers, move |count| flood_with_handles(&pool, count))
        })
        .peer("tokio spawn_blocking", move |_| {
            let runtime = tokio(THREADS);
            produced_by(producers, move |count| {
                let mut last = None;
                for number in 0..count {
                    last = Some(runtime.spawn_blocking(move || number));
                }
                last.map(|handle| runtime.handle().block_on(handle).expect("it runs"));
            })
        })
        .peer("rusty_pool", move |_| {
            let pool = rusty_pool::ThreadPool::new(THREADS, THREADS, Duration::from_mins(1));
            produced_by(producers, move |count| {
                let mut last = None;
                for number in 0..count {
                    last = Some(pool.evaluate(move || number));
                }
                last.map(rusty_pool::JoinHandle::await_complete);
            })
        })
}

/// Shares the jobs among threads that submit them.
fn produced_by(producers: u64, produce: impl Fn(u64) + Sync) -> impl Operation {
    batch(move |count| {
        thread::scope(|scope| {
            for producer in 1..producers {
                let produce = &produce;
                let share = count / producers + u64::from(producer <= count % producers);
                scope.spawn(move || produce(share));
            }
            produce(count / producers);
        });
    })
}

/// The caller waits for the last job, which says so over a channel.
pub(crate) fn tiny_without_handle() -> Row {
    Row::new("tiny jobs, 1 producer, without handle")
        .ours("elastic-pool", |_| {
            let pool = ours(THREADS);
            flood(move |job| pool.execute(job).expect("it is open"))
        })
        .peer("crossbeam bounded", |_| {
            let (sender, receiver) = crossbeam_channel::bounded::<Box<dyn FnOnce() + Send>>(1_024);
            for _ in 0..THREADS {
                let receiver = receiver.clone();
                thread::spawn(move || receiver.iter().for_each(|job| job()));
            }
            flood(move |job| sender.send(Box::new(job)).expect("it is open"))
        })
        .peer("rayon", |_| {
            let pool = rayon(THREADS);
            flood(move |job| pool.spawn(job))
        })
        .peer("tokio spawn_blocking", |_| {
            let runtime = tokio(THREADS);
            flood(move |job| drop(runtime.spawn_blocking(job)))
        })
}

fn flood(submit: impl Fn(Job)) -> impl Operation {
    batch(move |count| {
        let (sender, receiver) = channel();
        for number in 1..=count {
            if number == count {
                let sender = sender.clone();
                submit(Box::new(move || sender.send(()).expect("the caller waits")));
            } else {
                submit(Box::new(|| ()));
            }
        }
        drop(sender);
        receiver.recv().expect("the last job runs");
    })
}

pub(crate) fn call() -> Row {
    Row::new("call: submit to an idle pool and wait")
        .ours("elastic-pool", |_| {
            let pool = ours(THREADS);
            each(move || {
                pool.try_submit(|| 7)
                    .expect("there is room")
                    .join()
                    .expect("it runs")
            })
        })
        .peer("tokio spawn_blocking", |_| {
            let runtime = tokio(THREADS);
            each(move || {
                runtime
                    .block_on(runtime.spawn_blocking(|| 7))
                    .expect("it runs")
            })
        })
        .peer("blocking", |_| {
            let runtime = tokio(1);
            each(move || runtime.block_on(blocking::unblock(|| 7)))
        })
        .peer("rayon", |_| {
            let pool = rayon(THREADS);
            each(move || pool.install(|| 7))
        })
        .peer("rusty_pool", |_| {
            let pool = rusty_pool::ThreadPool::new(THREADS, THREADS, Duration::from_mins(1));
            each(move || pool.evaluate(|| 7).await_complete())
        })
}

/// Each operation is a burst at a pool that has just been built.
pub(crate) fn burst(name: &str, workers: usize) -> Row {
    const JOBS: usize = 1_000;
    let job = || thread::sleep(Duration::from_millis(1));
    Row::new(name)
        .ours("elastic-pool", move |_| {
            each(move || {
                let pool = ours(workers);
                let handles: Vec<_> = (0..JOBS)
                    .map(|_| pool.submit_blocking(job, None).expect("it is open"))
                    .collect();
                for handle in handles {
                    handle.join().expect("it runs");
                }
            })
        })
        .peer("tokio spawn_blocking", move |_| {
            each(move || {
                let runtime = tokio(workers);
                let handles: Vec<_> = (0..JOBS).map(|_| runtime.spawn_blocking(job)).collect();
                runtime.block_on(async {
                    for handle in handles {
                        handle.await.expect("it runs");
                    }
                });
                runtime.shutdown_background();
            })
        })
}

/// Told of each job and its times.
#[derive(Default)]
struct Sum {
    jobs: AtomicU64,
    nanos: AtomicU64,
}

impl Observer for Sum {
    fn job_started(&self, wait: Duration) {
        // ORDERING: Relaxed, here and below. Sums that guard nothing.
        let nanos = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    fn job_ended(&self, _: Ending, _: Option<Duration>) {
        // ORDERING: Relaxed, as above.
        self.jobs.fetch_add(1, Ordering::Relaxed);
    }
}

/// The pool counts and samples always; an observer hears of each job, so that each is timed.
pub(crate) fn observed() -> Row {
    Row::new("tiny jobs, 1 producer, with an observer")
        .ours("elastic-pool, observed", |_| {
            let pool = Pool::builder().workers(0..=THREADS);
            let pool = pool.observer(Sum::default()).build();
            let pool = pool.expect("the settings are in range");
            batch(move |count| flood_with_handles(&pool, count))
        })
        .peer("elastic-pool", |_| {
            let pool = ours(THREADS);
            batch(move |count| flood_with_handles(&pool, count))
        })
}

/// Submits jobs and waits for the last.
pub(crate) fn flood_with_handles(pool: &Pool, count: u64) {
    let mut last = None;
    for number in 0..count {
        let handle = pool.submit_blocking(move || number, None);
        last = Some(handle.expect("it is open"));
    }
    last.map(|handle| handle.join().expect("it runs"));
}
