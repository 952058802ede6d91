//! What a pool of threads costs: ours beside tokio's blocking pool, rayon, blocking, `rusty_pool` and
//! two threads on a bounded crossbeam channel.
//!
//! A peer without a handle is asked for none, and ours is there in both forms.

use std::future::poll_fn;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use bench::{Bench, Fact, Operation, Row, batch, each};
use elastic_pool::blocking::Pool;
use elastic_pool::{Ending, Observer, task};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tower::buffer::Buffer;
use tower::limit::ConcurrencyLimit;
use tower::{Service, service_fn};

/// As many threads as the machine of the figures has processors.
const THREADS: usize = 2;

fn main() -> ExitCode {
    Bench::new("elastic-pool")
        .row(tiny_with_handle("tiny jobs, 1 producer, with handle", 1))
        .row(tiny_with_handle("tiny jobs, 4 producers, with handle", 4))
        .row(tiny_without_handle())
        .row(call())
        .row(burst("burst of 1000 x 1 ms, 64 workers", 64))
        .row(burst("burst of 1000 x 1 ms, 512 workers", 512))
        .row(yields())
        .row(observed())
        .fact(trickle())
        .fact(of_so_many_jobs())
        .fact(by_so_many_workers())
        .fact(from_so_many_producers())
        .fact(through_a_queue_of())
        .run()
}

fn ours(workers: usize) -> Pool {
    let pool = Pool::builder().workers(0..=workers).build();
    pool.expect("the settings are in range")
}

fn tokio(workers: usize) -> Runtime {
    Builder::new_current_thread()
        .max_blocking_threads(workers)
        .build()
        .expect("a runtime")
}

fn rayon(workers: usize) -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build();
    pool.expect("threads")
}

/// Tiny jobs, of which each producer waits for its last: with one worker they end in order, with two
/// nearly.
fn tiny_with_handle(name: &str, producers: u64) -> Row {
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
fn tiny_without_handle() -> Row {
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

type Job = Box<dyn FnOnce() + Send>;

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

fn call() -> Row {
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
fn burst(name: &str, workers: usize) -> Row {
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

/// Futures that yield once, at most a thousand at a time.
fn yields() -> Row {
    const LIMIT: usize = 1_000;
    let runtime = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(THREADS).build().expect("a runtime")
    };
    Row::new("futures of one yield, at most 1000 at once")
        .ours("task::Pool, with handle", move |_| {
            let runtime = runtime();
            let pool = runtime.block_on(async { task::Pool::builder().limit(LIMIT).build() });
            let pool = pool.expect("the settings are in range");
            batch(move |count| {
                let pool = pool.clone();
                let all = async move {
                    let mut handles = Vec::new();
                    for _ in 0..count {
                        handles.push(pool.submit(yield_now()).await.expect("it is open"));
                    }
                    for handle in handles {
                        handle.await.expect("it runs");
                    }
                };
                runtime.block_on(runtime.spawn(all)).expect("it runs");
            })
        })
        .peer("Semaphore + spawn", move |_| {
            let runtime = runtime();
            let permits = Arc::new(Semaphore::new(LIMIT));
            batch(move |count| {
                let permits = Arc::clone(&permits);
                let all = async move {
                    let mut handles = Vec::new();
                    for _ in 0..count {
                        let permit = Arc::clone(&permits).acquire_owned().await;
                        handles.push(::tokio::spawn(async move {
                            let _permit = permit.expect("it is open");
                            yield_now().await;
                        }));
                    }
                    for handle in handles {
                        handle.await.expect("it runs");
                    }
                };
                runtime.block_on(runtime.spawn(all)).expect("it runs");
            })
        })
        .peer("tower limit + buffer", move |_| {
            through_tower(runtime(), LIMIT)
        })
}

fn through_tower(runtime: Runtime, limit: usize) -> impl Operation {
    let service = service_fn(|()| async {
        yield_now().await;
        Ok::<_, std::convert::Infallible>(())
    });
    let service = ConcurrencyLimit::new(service, limit);
    let (service, work) = Buffer::pair(service, limit);
    runtime.spawn(work);
    batch(move |count| {
        let mut service = service.clone();
        let all = async move {
            let mut handles = Vec::new();
            for _ in 0..count {
                poll_fn(|cx| service.poll_ready(cx))
                    .await
                    .expect("it is open");
                handles.push(::tokio::spawn(service.call(())));
            }
            for handle in handles {
                handle.await.expect("it runs").expect("it never fails");
            }
        };
        runtime.block_on(runtime.spawn(all)).expect("it runs");
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
fn observed() -> Row {
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
fn flood_with_handles(pool: &Pool, count: u64) {
    let mut last = None;
    for number in 0..count {
        let handle = pool.submit_blocking(move || number, None);
        last = Some(handle.expect("it is open"));
    }
    last.map(|handle| handle.join().expect("it runs"));
}

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

fn of_so_many_jobs() -> Fact {
    [1_000, 10_000, 100_000, 1_000_000, 10_000_000]
        .into_iter()
        .fold(Fact::new("ns for each of so many jobs"), |fact, jobs| {
            fact.of(format!("{jobs}"), move || {
                nanos_per_job(Load { jobs, ..LOAD })
            })
        })
}

fn by_so_many_workers() -> Fact {
    [1, 2, 8, 64, 512].into_iter().fold(
        Fact::new("ns for each job, by so many workers"),
        |fact, workers| {
            fact.of(format!("{workers}"), move || {
                nanos_per_job(Load { workers, ..LOAD })
            })
        },
    )
}

fn from_so_many_producers() -> Fact {
    [1, 4, 16, 64].into_iter().fold(
        Fact::new("ns for each job, from so many producers"),
        |fact, producers| {
            fact.of(format!("{producers}"), move || {
                nanos_per_job(Load { producers, ..LOAD })
            })
        },
    )
}

fn through_a_queue_of() -> Fact {
    [16, 128, 1_024, 16_384, 1_000_000].into_iter().fold(
        Fact::new("ns for each job, through a queue of so many"),
        |fact, queue| {
            fact.of(format!("{queue}"), move || {
                nanos_per_job(Load { queue, ..LOAD })
            })
        },
    )
}

fn trickle() -> Fact {
    Fact::new("workers of 64 that are left by 200 jobs/s after 1.5 idle timeouts of 0.5 s")
        .of("elastic-pool", || {
            let pool = Pool::builder()
                .workers(0..=64)
                .idle_timeout(Duration::from_millis(500))
                .build()
                .expect("the settings are in range");
            under_trickle(|job| drop(pool.try_submit(job).expect("there is room")));
            f64::from(u32::try_from(pool.metrics().workers).expect("few"))
        })
        .of("tokio spawn_blocking", || {
            let runtime = Builder::new_current_thread()
                .max_blocking_threads(64)
                .thread_keep_alive(Duration::from_millis(500))
                .build()
                .expect("a runtime");
            under_trickle(|job| drop(runtime.spawn_blocking(job)));
            // One is the thread that counts.
            f64::from(u32::try_from(threads_of_this_process() - 1).expect("few"))
        })
}

fn under_trickle(submit: impl Fn(Job)) {
    for _ in 0..64 {
        submit(Box::new(|| thread::sleep(Duration::from_millis(50))));
    }
    thread::sleep(Duration::from_millis(100));
    let end = Instant::now() + Duration::from_millis(750);
    while Instant::now() < end {
        submit(Box::new(|| ()));
        thread::sleep(Duration::from_millis(5));
    }
}

/// One where the system does not tell.
fn threads_of_this_process() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}
