//! What the crate promises, a file per subject.

mod admission;
mod handles;
mod scaling;
mod shutdown;

use std::sync::mpsc::{Sender, channel};

use elastic_pool::JobHandle;
use elastic_pool::blocking::Pool;

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

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
        begins.recv().expect("it begins");
        Self { handle, gate }
    }

    fn end(self) {
        drop(self.gate);
        self.handle.join().expect("it ends");
    }
}
