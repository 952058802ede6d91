//! The pools, as all of them can be used.

use std::mem;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use elastic_pool::blocking::Pool;
use tokio::runtime::{Builder, Runtime};

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A pool of threads.
pub(crate) trait Threads: Send + Sync {
    /// Has a job run, and does not ask what becomes of it.
    fn submit(&self, job: Job);

    /// Has a job run and waits for it, by what the pool has for that.
    fn call(&self, job: Job);
}

pub(crate) type Made = Box<dyn Threads>;

/// A pool of so many threads at most, which leave when they were idle for so long: where the pool
/// lets one say so.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) threads: usize,
    pub(crate) idle: Duration,
}

pub(crate) const fn at_most(threads: usize) -> Wanted {
    let idle = Duration::from_secs(10);
    Wanted { threads, idle }
}

#[derive(Clone, Copy)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) make: fn(Wanted) -> Made,
    /// There is one pool for the whole process, of 500 threads.
    is_global: bool,
}

impl Contender {
    const fn new(name: &'static str, make: fn(Wanted) -> Made) -> Self {
        let is_global = false;
        Self {
            name,
            make,
            is_global,
        }
    }

    const fn global(name: &'static str, make: fn(Wanted) -> Made) -> Self {
        let is_global = true;
        Self {
            name,
            make,
            is_global,
        }
    }

    /// A pool of 500 threads says nothing of one with a few.
    pub(crate) const fn can_be(self, wanted: Wanted) -> bool {
        !self.is_global || wanted.threads >= 64
    }
}

pub(crate) const ALL: [Contender; 7] = [
    Contender::new("elastic-pool", |wanted| Box::new(elastic(wanted))),
    Contender::new("tokio spawn_blocking", |wanted| {
        let mut builder = Builder::new_current_thread();
        let builder = builder.max_blocking_threads(wanted.threads);
        let runtime = builder.thread_keep_alive(wanted.idle).build();
        Box::new(runtime.expect("a runtime"))
    }),
    Contender::new("rayon", |wanted| Box::new(rayon(wanted.threads))),
    Contender::global("blocking", |_| Box::new(Blocking)),
    Contender::new("rusty_pool", |wanted| {
        let Wanted { threads, idle } = wanted;
        Box::new(rusty_pool::ThreadPool::new(1, threads, idle))
    }),
    Contender::new("affinitypool", |wanted| {
        Box::new(affinitypool::Threadpool::new(wanted.threads))
    }),
    Contender::new("threadpool-executor", |wanted| {
        let pool = threadpool_executor::threadpool::Builder::new()
            .core_pool_size(1)
            .maximum_pool_size(wanted.threads)
            .keep_alive_time(wanted.idle)
            .build();
        Box::new(pool)
    }),
];

fn elastic(wanted: Wanted) -> Pool {
    let pool = Pool::builder().workers(0..=wanted.threads);
    let pool = pool.idle_timeout(wanted.idle).build();
    pool.expect("the settings are in range")
}

pub(crate) fn ours(threads: usize) -> Pool {
    elastic(at_most(threads))
}

pub(crate) fn tokio(threads: usize) -> Runtime {
    Builder::new_current_thread()
        .max_blocking_threads(threads)
        .build()
        .expect("a runtime")
}

pub(crate) fn rayon(threads: usize) -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("threads")
}

impl Threads for Pool {
    fn submit(&self, job: Job) {
        self.execute(job).expect("it is open");
    }

    fn call(&self, job: Job) {
        let handle = self.submit_blocking(job, None).expect("it is open");
        handle.join().expect("it runs");
    }
}

impl Threads for Runtime {
    fn submit(&self, job: Job) {
        drop(self.spawn_blocking(job));
    }

    fn call(&self, job: Job) {
        let running = self.spawn_blocking(job);
        self.handle().block_on(running).expect("it runs");
    }
}

impl Threads for rayon::ThreadPool {
    fn submit(&self, job: Job) {
        self.spawn(job);
    }

    fn call(&self, job: Job) {
        self.install(job);
    }
}

struct Blocking;

impl Threads for Blocking {
    fn submit(&self, job: Job) {
        blocking::unblock(job).detach();
    }

    fn call(&self, job: Job) {
        tokio(1).block_on(blocking::unblock(job));
    }
}

impl Threads for rusty_pool::ThreadPool {
    fn submit(&self, job: Job) {
        self.execute(job);
    }

    fn call(&self, job: Job) {
        self.evaluate(job).await_complete();
    }
}

impl Threads for affinitypool::Threadpool {
    fn submit(&self, job: Job) {
        // To drop it would cancel the job, and there is no other way to let go of it.
        mem::forget(self.spawn(job));
    }

    fn call(&self, job: Job) {
        tokio(1).block_on(self.spawn(job));
    }
}

impl Threads for threadpool_executor::ThreadPool {
    fn submit(&self, job: Job) {
        drop(self.execute(AssertUnwindSafe(job)).expect("it is open"));
    }

    fn call(&self, job: Job) {
        let running = self.execute(AssertUnwindSafe(job));
        let result = running.expect("it is open").get_result();
        result.expect("it runs");
    }
}
