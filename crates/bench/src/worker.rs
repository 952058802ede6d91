//! A contender's process, as its parent sees it.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;

use crate::child::{Order, Sample};

/// Operations are doubled until a slice takes this share of what it should.
const ENOUGH_TO_SCALE: f64 = 0.5;

/// Operations that tell nothing: the first ones may do once what is never done again.
const COLD: usize = 4;

/// A contender's process. It ends with this value, or with this process.
#[derive(Debug)]
pub(crate) struct Worker {
    name: String,
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Calls this very program again. `name` is for errors.
    pub(crate) fn start(name: String, args: &[String]) -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .args(args)
            // A shell that asks for stacks would change what errors cost.
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = child.stdin.take();
        let answers = child.stdout.take().expect("it is piped");
        Ok(Self {
            name,
            child,
            orders,
            answers: BufReader::new(answers),
        })
    }

    /// Warms up, and finds how many operations take about `slice_nanos`.
    pub(crate) fn find_count(&mut self, slice_nanos: f64) -> io::Result<u64> {
        for _ in 0..COLD {
            self.run(1, false)?;
        }
        let mut operations = 1;
        loop {
            let nanos = self.run(operations, false)?.nanos;
            if nanos >= slice_nanos * ENOUGH_TO_SCALE {
                return Ok(scaled(operations, slice_nanos / nanos));
            }
            operations *= 2;
        }
    }

    /// Has one slice run.
    pub(crate) fn run(&mut self, operations: u64, counts_allocations: bool) -> io::Result<Sample> {
        let order = Order {
            operations,
            counts_allocations,
        };
        let mut line = serde_json::to_vec(&order)?;
        line.push(b'\n');
        let orders = self.orders.as_mut().expect("only a drop closes it");
        // If it has died, its missing answer says so.
        let _ = orders.write_all(&line);
        self.answer()
    }

    /// Reads one line.
    pub(crate) fn answer<T: DeserializeOwned>(&mut self) -> io::Result<T> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            let status = self.child.wait()?;
            return Err(io::Error::other(format!("{} died: {status}", self.name)));
        }
        serde_json::from_str(&line).map_err(|error| {
            let said = line.trim_end();
            io::Error::other(format!(
                "{} must not print, but said {said:?}: {error}",
                self.name
            ))
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.orders.take());
        // One that hangs in its own clean-up is not waited for. Both fail only for a process that
        // has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// At least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and a count is never negative"
)]
fn scaled(operations: u64, by: f64) -> u64 {
    ((crate::calibration::to_f64(operations) * by).round() as u64).max(1)
}
