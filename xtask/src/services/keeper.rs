//! The process that owns the servers of one run, and ends them when its standard input ends.

use std::fs;
use std::io::{self, BufRead, Write};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use super::choose::Chooser;
use super::fact::Fact;
use super::home::Home;
use super::server::Server;
use super::{Choice, Request, Service, processes, sweep};
use crate::failure::Result;
use crate::run;
use crate::workspace::Workspace;

/// The hidden command of xtask that this is.
pub(crate) const WORD: &str = "keeper";

/// The command line of a keeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keeper {
    pub(crate) run: String,
    pub(crate) request: Request,
}

/// What the parent has said so far.
#[derive(Debug, Default)]
struct Orders {
    /// The process that uses the servers and is to end with the parent.
    watched: Option<u32>,
    /// The servers are to stay.
    keep: bool,
}

impl Keeper {
    pub(crate) fn command_line(&self, command: &mut Command) {
        command.args([
            WORD,
            "--run",
            &self.run,
            "--services",
            self.request.choice.name(),
        ]);
        if self.request.offline {
            command.arg("--offline");
        }
        for service in &self.request.serve {
            command.args(["--serve", service.name()]);
        }
        for service in &self.request.programs {
            command.args(["--program", service.name()]);
        }
    }

    pub(crate) fn parse(parser: &mut lexopt::Parser) -> Result<Self> {
        use lexopt::prelude::*;
        let mut keeper = Self {
            run: String::new(),
            request: Request::default(),
        };
        while let Some(arg) = parser.next()? {
            let request = &mut keeper.request;
            match arg {
                Long("run") => keeper.run = parser.value()?.string()?,
                Long("services") => {
                    request.choice =
                        Choice::from_name(&parser.value()?.string()?).unwrap_or_default();
                }
                Long("offline") => request.offline = true,
                Long("serve") => request
                    .serve
                    .extend(Service::from_name(&parser.value()?.string()?)),
                Long("program") => {
                    request
                        .programs
                        .extend(Service::from_name(&parser.value()?.string()?));
                }
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(keeper)
    }
}

pub(crate) fn execute(keeper: &Keeper) -> Result {
    let home = Home::open(&Workspace::find()?.target)?;
    let orders = Arc::new(Mutex::new(Orders::default()));
    let listener = {
        let orders = Arc::clone(&orders);
        thread::spawn(move || listen(io::stdin().lock(), &orders))
    };
    for failure in sweep::dead(&home) {
        tell(&Fact::Say(format!(
            "left over from a run that is gone: {failure}"
        )));
    }
    let servers = start(keeper, &home);
    tell(&Fact::Done);
    // It never panics, and if it did the input would be as good as ended.
    let _ = listener.join();
    let orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
    if !orders.keep
        && let Some(pid) = orders.watched
    {
        processes::end_run(pid, &keeper.run);
    }
    let end = if orders.keep {
        Server::keep
    } else {
        Server::stop
    };
    // Made and published, or given up.
    let _ = fs::remove_dir_all(home.draft(&keeper.run));
    let failures: Vec<String> = servers
        .into_iter()
        .filter_map(|server| end(server).err())
        .collect();
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n").into())
    }
}

/// Starts what was asked for, all at once.
fn start(keeper: &Keeper, home: &Home) -> Vec<Server> {
    let chooser = &Chooser {
        home,
        run: &keeper.run,
        request: &keeper.request,
        tell: |fact: Fact| tell(&fact),
        engine: OnceLock::new(),
    };
    thread::scope(|scope| {
        let of = |service: Service| {
            scope.spawn(move || {
                let serve = chooser.request.serve.contains(&service);
                let server = serve.then(|| chooser.serve(service)).flatten();
                if chooser.request.programs.contains(&service) {
                    chooser.find_program(service);
                }
                server
            })
        };
        let threads = Service::ALL.map(of);
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok().flatten())
            .collect()
    })
}

/// Reads orders until the parent has ended, in whatever way.
fn listen(input: impl BufRead, orders: &Mutex<Orders>) {
    for line in input.lines().map_while(io::Result::ok) {
        let mut orders = orders.lock().unwrap_or_else(PoisonError::into_inner);
        match *line.split(' ').collect::<Vec<_>>() {
            ["watch", pid] => orders.watched = pid.parse().ok(),
            ["unwatch"] => orders.watched = None,
            ["keep"] => orders.keep = true,
            _ => {}
        }
    }
    run::cancel();
}

fn tell(fact: &Fact) {
    // A parent that is gone hears nothing, and this process still has its work to do.
    let _ = writeln!(io::stdout().lock(), "{}", fact.to_line());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::Source;

    #[test]
    fn a_keeper_survives_its_command_line() {
        let keeper = Keeper {
            run: "7-ab".into(),
            request: Request {
                choice: Choice::Only(Source::Bundled),
                offline: true,
                serve: vec![Service::Redis],
                programs: vec![Service::Redis, Service::Postgres],
            },
        };
        let mut command = Command::new("xtask");
        keeper.command_line(&mut command);
        let mut parser = lexopt::Parser::from_args(command.get_args().skip(1));
        assert_eq!(Keeper::parse(&mut parser).expect("it is its own"), keeper);
    }
}
