//! What pools are not to be brought down by, each in a process of its own.

use std::env;
use std::panic::{panic_any, set_hook};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use bench::Fact;

use crate::contenders::{ALL, Contender, Threads, Wanted, at_most};

/// Set in the process of an ordeal: the number of the pool and of the ordeal.
const VARIABLE: &str = "ELASTIC_POOL_ORDEAL";

const PATIENCE: Duration = Duration::from_secs(20);

type Ordeal = fn(&Contender) -> bool;

/// Those of `tests/torture.rs` for which a pool's inside need not be known.
const ORDEALS: [(&str, Ordeal); 6] = [
    ("a payload that panics when it is dropped", bomb),
    ("the last handle is dropped by a job", dropped_inside),
    ("jobs that wait for jobs", nested),
    ("workers that time out", at_the_edge),
    ("the order of jobs, with one worker", order),
    ("a flood from four threads", flood),
];

pub(crate) fn survived() -> Fact {
    let name = format!("of {} ordeals, how many are survived", ORDEALS.len());
    ALL.into_iter()
        .enumerate()
        .fold(Fact::new(name), |fact, (number, pool)| {
            let name = pool.name;
            fact.of(name, move || {
                let survived = ORDEALS.iter().enumerate().filter(|(ordeal, (what, _))| {
                    let is_survived = survives(number, *ordeal);
                    if !is_survived {
                        eprintln!("{name} does not survive: {what}");
                    }
                    is_survived
                });
                f64::from(u32::try_from(survived.count()).expect("few"))
            })
        })
}

/// Whether a process that does it ends well, and in time.
fn survives(pool: usize, ordeal: usize) -> bool {
    let program = env::current_exe().expect("this program");
    let child = Command::new(program)
        .env(VARIABLE, format!("{pool} {ordeal}"))
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let mut child = child.expect("a process");
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if let Some(status) = child.try_wait().expect("it is ours") {
            return status.success();
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    false
}

/// Goes through an ordeal, if this is the process of one.
pub(crate) fn go_through() -> Option<ExitCode> {
    let ordeal = env::var(VARIABLE).ok()?;
    let (pool, ordeal) = ordeal.split_once(' ')?;
    let contender = ALL.get(pool.parse::<usize>().ok()?)?;
    let (_, ordeal) = *ORDEALS.get(ordeal.parse::<usize>().ok()?)?;
    set_hook(Box::new(|_| ()));
    let is_survived = ordeal(contender);
    // Without a word to what the pool may have left behind.
    std::process::exit(i32::from(!is_survived));
}

/// Panics when it is dropped, with another one.
struct Bomb(u8);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 {
            panic_any(Bomb(self.0 - 1));
        }
    }
}

fn bomb(contender: &Contender) -> bool {
    let pool = (contender.make)(at_most(1));
    pool.submit(Box::new(|| panic_any(Bomb(3))));
    all_run(&*pool, 10)
}

/// Whether so many jobs that are submitted now run.
fn all_run(pool: &dyn Threads, jobs: usize) -> bool {
    let (tell, told) = channel();
    for _ in 0..jobs {
        let tell: Sender<()> = tell.clone();
        pool.submit(Box::new(move || tell.send(()).expect("somebody counts")));
    }
    (0..jobs).all(|_| told.recv_timeout(Duration::from_secs(5)).is_ok())
}

fn dropped_inside(contender: &Contender) -> bool {
    let pool = Arc::new((contender.make)(at_most(2)));
    let ((go, wait), (tell, told)) = (channel::<()>(), channel());
    let theirs = Arc::clone(&pool);
    pool.submit(Box::new(move || {
        wait.recv().expect("the other one goes on");
        drop(theirs);
        tell.send(()).expect("somebody waits");
    }));
    drop(pool);
    go.send(()).expect("it waits");
    told.recv_timeout(Duration::from_secs(5)).is_ok()
}

fn nested(contender: &Contender) -> bool {
    fn call(pool: &Arc<Box<dyn Threads>>, levels: usize) {
        if levels > 0 {
            let theirs = Arc::clone(pool);
            pool.call(Box::new(move || call(&theirs, levels - 1)));
        }
    }
    let pool = Arc::new((contender.make)(at_most(2)));
    call(&pool, 8);
    true
}

fn at_the_edge(contender: &Contender) -> bool {
    let idle = Duration::from_micros(500);
    let pool = (contender.make)(Wanted { threads: 4, idle });
    let (tell, told) = channel();
    for number in 0..4_000 {
        let tell: Sender<()> = tell.clone();
        pool.submit(Box::new(move || tell.send(()).expect("somebody counts")));
        if told.recv_timeout(Duration::from_secs(2)).is_err() {
            return false;
        }
        thread::sleep(idle * (number % 3) / 2);
    }
    true
}

fn order(contender: &Contender) -> bool {
    if !contender.can_be(at_most(1)) {
        return true;
    }
    let pool = (contender.make)(at_most(1));
    let (tell, told) = channel();
    for number in 0..1_000 {
        let tell = tell.clone();
        pool.submit(Box::new(move || tell.send(number).expect("somebody reads")));
    }
    drop(tell);
    told.iter().eq(0..1_000)
}

fn flood(contender: &Contender) -> bool {
    let pool = (contender.make)(at_most(2));
    let (tell, told) = channel();
    thread::scope(|scope| {
        for _ in 0..4 {
            let (tell, pool) = (tell.clone(), &pool);
            scope.spawn(move || {
                for _ in 0..50_000 {
                    let tell: Sender<()> = tell.clone();
                    pool.submit(Box::new(move || tell.send(()).expect("somebody counts")));
                }
            });
        }
        drop(tell);
    });
    let mut left = 200_000;
    loop {
        match told.recv_timeout(Duration::from_secs(5)) {
            Ok(()) => left -= 1,
            Err(RecvTimeoutError::Disconnected) => return left == 0,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}
