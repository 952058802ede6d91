//! The parent's end of the keeper.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::fact::Fact;
use super::home::{self, Home};
use super::keeper::Keeper;
use super::processes::RUN_VARIABLE;
use super::{Request, Running, Service, Source, sweep};
use crate::say::say;
use crate::workspace::Workspace;

/// A keeper at work. Dropping it ends its servers and waits for that, as [`finish`](Self::finish)
/// does, which tells how it went.
#[derive(Debug)]
pub(crate) struct Services {
    run: String,
    /// `None` once it has been waited for.
    child: Option<Child>,
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
            child: Some(child),
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
    pub(crate) fn keep(mut self) -> Result<(), String> {
        self.order("keep");
        self.wait()
    }

    /// Ends the servers.
    pub(crate) fn finish(mut self) -> Result<(), String> {
        self.wait()
    }

    /// The pipe that the keeper lives by: whoever holds it keeps the servers alive.
    pub(crate) fn lifeline(&mut self) -> Option<ChildStdin> {
        self.orders.take()
    }

    fn order(&mut self, text: &str) {
        if let Some(orders) = &mut self.orders {
            // A keeper that died cannot be told anything; that it did is seen at the end.
            let _ = writeln!(orders, "{text}");
        }
    }

    /// Waits for the keeper to do the rest of its work, and does it where the keeper did not.
    fn wait(&mut self) -> Result<(), String> {
        drop(self.orders.take());
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        let status = child.wait().map_err(|error| format!("keeper: {error}"))?;
        if status.success() {
            return Ok(());
        }
        let mut words = vec![format!("their keeper ended with {status}")];
        words.extend(clear_up().unwrap_or_else(|error| vec![error]));
        Err(words.join("\n"))
    }
}

/// What a keeper left that is gone; returns what could not be stopped.
fn clear_up() -> Result<Vec<String>, String> {
    let home = Home::open(&Workspace::find()?.target)?;
    Ok(sweep::dead(&home))
}

impl Drop for Services {
    fn drop(&mut self) {
        if let Err(reason) = self.wait() {
            say(format_args!("xtask: servers: {reason}"));
        }
    }
}

fn collect(facts: &mut impl BufRead) -> Found {
    let mut found = Found::default();
    for line in facts.lines().map_while(Result::ok) {
        match Fact::from_line(&line) {
            Some(Fact::Say(text)) => say(format_args!("xtask: {text}")),
            Some(Fact::Up(running)) => {
                say(format_args!("xtask: {}", up_line(&running)));
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
