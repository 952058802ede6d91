//! How soon, how much memory and how often: what no time per job shows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bench::{Fact, Row, batch, unmeasured};
use elastic_pool::blocking::Pool;

use crate::THREADS;
use crate::contenders::{ALL, Threads, Wanted, at_most, tokio};

/// A fact of every pool that can be had as wanted.
fn of_all(name: &str, wanted: Wanted, figure: fn(&dyn Threads) -> f64) -> Fact {
    let pools = ALL.into_iter().filter(|pool| pool.can_be(wanted));
    pools.fold(Fact::new(name), |fact, pool| {
        fact.of(pool.name, move || tenths(figure(&*(pool.make)(wanted))))
    })
}

/// More would be noise.
fn tenths(figure: f64) -> f64 {
    (figure * 10.0).round() / 10.0
}

/// Tells how long ago it was made.
fn stopwatch(tell: &Sender<Duration>) -> impl FnOnce() + Send + use<> {
    let (made, tell) = (Instant::now(), tell.clone());
    move || tell.send(made.elapsed()).expect("somebody collects")
}

/// What is below `share` of all that was told.
fn quantile(told: &Receiver<Duration>, share: f64) -> Duration {
    let mut told: Vec<_> = told.iter().collect();
    told.sort_unstable();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "there are less than a million"
    )]
    let at = (told.len() as f64 * share) as usize;
    told[at.min(told.len() - 1)]
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(crate) fn start_under_flood() -> Fact {
    let name = "us until a job starts, median, while one thread floods two workers with tiny jobs";
    of_all(name, at_most(THREADS), |pool| {
        let (tell, told) = channel();
        for number in 0..300_000 {
            if number % 100 == 0 {
                pool.submit(Box::new(stopwatch(&tell)));
            } else {
                pool.submit(Box::new(|| ()));
            }
        }
        drop(tell);
        us(quantile(&told, 0.5))
    })
}

pub(crate) fn start_when_idle() -> Fact {
    let name = "us from submitting to an idle pool to the start of the job, median";
    of_all(name, at_most(THREADS), |pool| {
        let (tell, told) = channel();
        for _ in 0..1_000 {
            thread::sleep(Duration::from_millis(1));
            pool.submit(Box::new(stopwatch(&tell)));
        }
        drop(tell);
        us(quantile(&told, 0.5))
    })
}

/// A job is often the one that would have to end the wait of the others.
pub(crate) fn behind_blocked_jobs() -> Fact {
    let name = "us until a job starts behind four that block, median, of at most 64 threads";
    of_all(name, at_most(64), |pool| {
        let (end, ends) = channel::<()>();
        let mut blocked = Vec::new();
        for _ in 0..4 {
            let (keep, kept) = channel::<()>();
            blocked.push(keep);
            let end = end.clone();
            pool.submit(Box::new(move || {
                let _ = kept.recv();
                drop(end);
            }));
        }
        drop(end);
        let (tell, told) = channel();
        for _ in 0..200 {
            thread::sleep(Duration::from_millis(1));
            pool.submit(Box::new(stopwatch(&tell)));
        }
        drop((tell, blocked));
        let median = us(quantile(&told, 0.5));
        let _ = ends.recv();
        median
    })
}

pub(crate) fn busy_with_a_burst() -> Fact {
    let name = "us that a caller is busy with a burst of 1000 x 1 ms, at most 64 threads";
    of_all(name, at_most(64), |pool| {
        let (end, ends) = channel::<()>();
        let began = Instant::now();
        for _ in 0..1_000 {
            let end = end.clone();
            pool.submit(Box::new(move || {
                thread::sleep(Duration::from_millis(1));
                drop(end);
            }));
        }
        let busy = us(began.elapsed());
        drop(end);
        let _ = ends.recv();
        busy
    })
}

pub(crate) fn peak_memory() -> Fact {
    let name =
        "MiB at the peak of a process whose four threads flood two workers with 2 000 000 jobs";
    of_all(name, at_most(THREADS), |pool| {
        let (end, ends) = channel::<()>();
        thread::scope(|scope| {
            for _ in 0..4 {
                let end = end.clone();
                scope.spawn(move || {
                    for _ in 0..500_000 {
                        pool.submit(Box::new(|| ()));
                    }
                    pool.submit(Box::new(move || drop(end)));
                });
            }
            drop(end);
        });
        let _ = ends.recv();
        status("/proc/self", "VmHWM:") / 1024.0
    })
}

pub(crate) fn wakeups_at_rest() -> Fact {
    let name = "wake-ups in a second of rest, of 64 idle threads";
    of_all(name, at_most(64), |pool| {
        let (end, ends) = channel::<()>();
        for _ in 0..64 {
            let end = end.clone();
            pool.submit(Box::new(move || {
                thread::sleep(Duration::from_millis(50));
                drop(end);
            }));
        }
        drop(end);
        let _ = ends.recv();
        thread::sleep(Duration::from_millis(200));
        let before = switches_of_others();
        thread::sleep(Duration::from_secs(1));
        switches_of_others() - before
    })
}

/// How often all threads but the first have begun to wait.
fn switches_of_others() -> f64 {
    let main = std::process::id().to_string();
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten();
    let tasks = tasks.flatten().filter(|task| *task.file_name() != *main);
    let switches = tasks.map(|task| {
        let task = task.path();
        status(&task.to_string_lossy(), "voluntary_ctxt_switches:")
    });
    switches.sum()
}

/// A number that Linux tells of a task. Zero elsewhere.
fn status(task: &str, label: &str) -> f64 {
    let status = fs::read_to_string(format!("{task}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(label));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0.0)
}

/// Sixteen threads with jobs of a millisecond that come by chance, as many as keep them busy for
/// nine tenths of the time. The ideal is a queue that costs nothing, with the same jobs.
pub(crate) fn open_loop() -> Fact {
    let name =
        "the longest wait but for 1 %, at 90 % load of 16 threads, by that of an ideal queue, in %";
    of_all(name, at_most(16), |pool| {
        const JOBS: usize = 20_000;
        let mean = Duration::from_millis(1).as_secs_f64() / 16.0 / 0.9;
        let (tell, told) = channel();
        let (mut at, mut chance) = (0.0, 0x9e37_79b9_7f4a_7c15_u64);
        let began = Instant::now();
        for _ in 0..JOBS {
            at += -mean * uniform(&mut chance).ln();
            let due = began + Duration::from_secs_f64(at);
            while Instant::now() < due {
                thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            let (tell, came) = (tell.clone(), Instant::now());
            pool.submit(Box::new(move || {
                let start = Instant::now();
                thread::sleep(Duration::from_millis(1));
                let ran = (came, start, start.elapsed());
                tell.send(ran).expect("somebody collects");
            }));
        }
        drop(tell);
        let mut ran: Vec<_> = told.iter().collect();
        ran.sort_unstable();
        let waits = ran.iter().map(|(came, start, _)| *start - *came);
        100.0 * p99(waits) / p99(ideal(&ran, 16).into_iter())
    })
}

/// The waits in front of so many servers to whom a queue costs nothing.
fn ideal(jobs: &[(Instant, Instant, Duration)], servers: usize) -> Vec<Duration> {
    let begin = jobs[0].0;
    let mut free: BinaryHeap<_> = (0..servers).map(|_| Reverse(begin)).collect();
    let waits = jobs.iter().map(|(came, _, takes)| {
        let Reverse(earliest) = free.pop().expect("as many as there are servers");
        let start = earliest.max(*came);
        free.push(Reverse(start + *takes));
        start - *came
    });
    waits.collect()
}

fn p99(waits: impl Iterator<Item = Duration>) -> f64 {
    let mut waits: Vec<_> = waits.collect();
    waits.sort_unstable();
    us(waits[waits.len() * 99 / 100])
}

/// Above zero, and one at most: by xorshift64* (Vigna 2016).
fn uniform(state: &mut u64) -> f64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    let bits = state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40;
    #[allow(clippy::cast_precision_loss, reason = "there are 24 bits left")]
    let number = (bits + 1) as f64;
    number / 16_777_216.0
}

/// What it takes to put a job with a handle into the queue, and no more: the one worker is busy.
pub(crate) fn submit_only() -> Row {
    Row::new("submit with a handle, while nobody fetches")
        .ours("elastic-pool", |_| {
            let pool = Pool::builder().workers(0..=1).queue(1 << 22).build();
            let pool = pool.expect("the settings are in range");
            batch(move |count| {
                let keep = unmeasured(|| blocked(|job| pool.execute(job).expect("it is open")));
                let mut last = None;
                for number in 0..count {
                    last = Some(pool.try_submit(move || number).expect("there is room"));
                }
                unmeasured(|| {
                    drop(keep);
                    last.map(|handle| handle.join().expect("it runs"));
                });
            })
        })
        .peer("tokio spawn_blocking", |_| {
            let runtime = tokio(1);
            batch(move |count| {
                let keep = unmeasured(|| blocked(|job| drop(runtime.spawn_blocking(job))));
                let mut last = None;
                for number in 0..count {
                    last = Some(runtime.spawn_blocking(move || number));
                }
                unmeasured(|| {
                    drop(keep);
                    last.map(|handle| runtime.block_on(handle).expect("it runs"));
                });
            })
        })
        .peer("rusty_pool", |_| {
            let pool = rusty_pool::ThreadPool::new(1, 1, Duration::from_mins(1));
            batch(move |count| {
                let keep = unmeasured(|| blocked(|job| pool.execute(job)));
                let mut last = None;
                for number in 0..count {
                    last = Some(pool.evaluate(move || number));
                }
                unmeasured(|| {
                    drop(keep);
                    last.map(rusty_pool::JoinHandle::await_complete);
                });
            })
        })
}

/// Keeps a worker busy until what is returned is dropped.
fn blocked(submit: impl FnOnce(crate::contenders::Job)) -> Sender<()> {
    let ((keep, kept), (tell, told)) = (channel::<()>(), channel());
    submit(Box::new(move || {
        tell.send(()).expect("somebody waits");
        let _ = kept.recv();
    }));
    told.recv().expect("it runs");
    keep
}

pub(crate) fn trickle() -> Fact {
    let name = "threads of 64 that are left by 200 jobs/s after 1.5 idle timeouts of 0.5 s";
    let wanted = Wanted {
        threads: 64,
        idle: Duration::from_millis(500),
    };
    of_all(name, wanted, |pool| {
        for _ in 0..64 {
            pool.submit(Box::new(|| thread::sleep(Duration::from_millis(50))));
        }
        thread::sleep(Duration::from_millis(100));
        let end = Instant::now() + Duration::from_millis(750);
        while Instant::now() < end {
            pool.submit(Box::new(|| ()));
            thread::sleep(Duration::from_millis(5));
        }
        // One is the thread that counts.
        status("/proc/self", "Threads:") - 1.0
    })
}
