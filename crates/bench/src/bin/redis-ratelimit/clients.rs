//! Processes that use one limiter together: this program again, each in the part of a client.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::{env, io};

use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use crate::load::Load;
use crate::stand::{Limits, Way, ask};

/// Of each process.
const TASKS: u64 = 16;

/// The variable that says what this process is to be.
const PART: &str = "BENCH_CLIENT";

/// A client of a limiter, as the variable tells it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    limiter: String,
    load: Load,
    url: String,
}

impl Part {
    /// `None` if this process is no client.
    pub(crate) fn of_this_process() -> Option<Self> {
        let part = env::var(PART).ok()?;
        Some(serde_json::from_str(&part).expect("what the parent wrote"))
    }

    /// Plays it if the limiter is this one: makes as many decisions as each line says, until there
    /// are no more, and answers how many were admitted. False if the limiter is another one.
    pub(crate) fn is_played_by<T: Limits>(&self) -> bool {
        if self.limiter != T::NAME {
            return false;
        }
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let limits = runtime.block_on(T::open(&self.url, [self.load.quota(); 2]));
        println!("0");
        // Not those of the other processes.
        let mut first = u64::from(std::process::id()) << 32;
        for line in io::stdin().lines() {
            let decisions: u64 = line.expect("a line").parse().expect("a number");
            let last = first + decisions;
            let asked = ask(&limits, self.load, Way::Once, first..last, TASKS);
            println!("{}", runtime.block_on(asked));
            first = last;
        }
        true
    }
}

/// Processes that end with this value.
pub(crate) struct Clients(Vec<Client>);

impl Clients {
    /// So many, all of which have a limiter when this returns.
    pub(crate) fn start<T: Limits>(processes: u64, load: Load, url: &str) -> Self {
        let part = Part {
            limiter: T::NAME.to_owned(),
            load,
            url: url.to_owned(),
        };
        let part = serde_json::to_string(&part).expect("plain data");
        let mut clients: Vec<_> = (0..processes).map(|_| Client::start(&part)).collect();
        for client in &mut clients {
            client.admitted();
        }
        Self(clients)
    }

    /// So many decisions of each, all at the same time. How many were admitted.
    pub(crate) fn ask(&mut self, decisions: u64) -> u64 {
        for client in &mut self.0 {
            client.order(decisions);
        }
        self.0.iter_mut().map(Client::admitted).sum()
    }
}

/// A process that ends with this value: its input does.
struct Client {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Client {
    fn start(part: &str) -> Self {
        let mut child = Command::new(env::current_exe().expect("a program"))
            .env(PART, part)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let orders = child.stdin.take();
        let answers = child.stdout.take().expect("it is piped");
        Self {
            child,
            orders,
            answers: BufReader::new(answers),
        }
    }

    fn order(&mut self, decisions: u64) {
        let orders = self.orders.as_mut().expect("only a drop closes it");
        writeln!(orders, "{decisions}").expect("it listens");
    }

    fn admitted(&mut self) -> u64 {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("text");
        line.trim_end().parse().expect("it is alive, and counts")
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It fails only for a process that has ended.
        let _ = self.child.wait();
    }
}
