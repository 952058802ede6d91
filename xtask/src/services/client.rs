//! The parent's end of the keeper.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::fact::Fact;
use super::home;
use super::keeper::Keeper;
use super::processes::RUN_VARIABLE;
use super::{Request, Running, Service, Source};

/// A keeper at work. Dropping it ends its servers and waits for that.
#[derive(Debug)]
pub(crate) struct Services {
    run: String,
    child: Child,
    /// Closed to make it end.
    orders: Option<ChildStdin>,
    facts: BufReader<ChildStdout>,
    found: Option<Found>,
}

/// What came of a request.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) running: Vec<Running>,
    pub(crate) refused: Vec<(Service, Source, String)>,
    pub(crate) programs: Vec<(Service, PathBuf)>,
    pub(crate) no_programs: Vec<(Service, String)>,
}

impl Services {
    pub(crate) fn start(request: Request) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(own);
        let keeper = Keeper {
            run: home::fresh_run_id(),
            request,
        };
        keeper.command_line(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        leave_group(&mut command);
        let mut child = command
            .spawn()
            .map_err(|error| format!("keeper: {error}"))?;
        let orders = child.stdin.take();
        let facts = BufReader::new(child.stdout.take().expect("it was piped above"));
        Ok(Self {
            run: keeper.run,
            child,
            orders,
            facts,
            found: None,
        })
    }

    /// What was found, after waiting for it the first time.
    pub(crate) fn found(&mut self) -> &Found {
        let facts = &mut self.facts;
        self.found.get_or_insert_with(|| collect(facts))
    }

    /// The variable by which a process is known to belong to this run.
    pub(crate) fn mark(&self) -> (&'static str, String) {
        (RUN_VARIABLE, self.run.clone())
    }

    /// Has the process end, with all below it, if this one dies.
    pub(crate) fn watch(&mut self, pid: Option<u32>) {
        self.order(&pid.map_or_else(|| "unwatch".to_owned(), |pid| format!("watch {pid}")));
    }

    /// Leaves the servers running.
    pub(crate) fn keep(mut self) {
        self.order("keep");
    }

    /// The pipe that the keeper lives by: whoever holds it keeps the servers alive.
    pub(crate) fn lifeline(&mut self) -> Option<ChildStdin> {
        self.orders.take()
    }

    fn order(&mut self, text: &str) {
        if let Some(orders) = &mut self.orders {
            // A keeper that died cannot be told anything; its servers are swept later.
            let _ = writeln!(orders, "{text}");
        }
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.child.wait();
    }
}

fn collect(facts: &mut impl BufRead) -> Found {
    let mut found = Found::default();
    for line in facts.lines().map_while(Result::ok) {
        match Fact::from_line(&line) {
            Some(Fact::Say(text)) => eprintln!("xtask: {text}"),
            Some(Fact::Up(running)) => {
                eprintln!("xtask: {}", up_line(&running));
                found.running.push(running);
            }
            Some(Fact::Refused {
                service,
                source,
                reason,
            }) => {
                found.refused.push((service, source, reason));
            }
            Some(Fact::Program { service, path }) => found.programs.push((service, path)),
            Some(Fact::NoProgram { service, reason }) => found.no_programs.push((service, reason)),
            Some(Fact::Done) => break,
            None => {}
        }
    }
    found
}

/// One running service as a person reads it.
pub(crate) fn up_line(running: &Running) -> String {
    let version = if running.version.is_empty() {
        "version unknown"
    } else {
        &running.version
    };
    let Running {
        service,
        source,
        detail,
        ..
    } = running;
    format!("{service}: {version}, {source} ({detail})")
}

/// A Ctrl-C at the terminal must not reach the keeper: it has work to do then.
fn leave_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}
