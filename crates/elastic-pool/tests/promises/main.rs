//! What the crate promises, a file per subject.

mod admission;
mod controlling;
mod handles;
mod observing;
mod scaling;
mod shutdown;
mod suites;

use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use elastic_pool::JobHandle;
use elastic_pool::blocking::Pool;

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// Waits for a condition, with a bound: a broken promise fails and does not hang.
fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..200_000 {
        if condition() {
            return;
        }
        thread::yield_now();
        thread::park_timeout(Duration::from_micros(50));
    }
    panic!("not in time: {what}");
}

/// A job that runs until the gate is dropped.
struct Blocker {
    handle: JobHandle<()>,
    gate: Sender<()>,
}

impl Blocker {
    /// Blocks a worker, and returns when it is blocked.
    fn start(pool: &Pool) -> Self {
        let (gate, closed) = channel::<()>();
        let (begun, begins) = channel();
        let handle = pool
            .try_submit(move || {
                begun.send(()).expect("the test waits");
                // An error: the gate is gone.
                let _open = closed.recv();
            })
            .expect("there is room");
        let bound = Duration::from_secs(60);
        begins.recv_timeout(bound).expect("it begins");
        Self { handle, gate }
    }

    fn end(self) {
        drop(self.gate);
        self.handle.join().expect("it ends");
    }
}
