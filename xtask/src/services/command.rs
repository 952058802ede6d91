//! `cargo xtask services up|down|status`.

use std::time::Duration;

use super::client::{Services, up_line};
use super::home::Home;
use super::{Choice, Request, Running, Service, Source, fixes, sweep};
use crate::failure::{Failure, Result};
use crate::say::{print, say};
use crate::workspace::Workspace;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Options {
    Up {
        choice: Choice,
        offline: bool,
        timings: bool,
    },
    Down,
    Status,
}

pub(crate) fn execute(workspace: &Workspace, options: &Options) -> Result {
    let home = Home::open(&workspace.target)?;
    match *options {
        Options::Up {
            choice,
            offline,
            timings,
        } => up(&home, choice, offline, timings),
        Options::Down => down(&home),
        Options::Status => {
            status(&home);
            Ok(())
        }
    }
}

/// Standard output is for `eval "$(cargo xtask services up)"`, everything else goes to the other.
fn up(home: &Home, choice: Choice, offline: bool, timings: bool) -> Result {
    let mut running = sweep::kept(home);
    for it in &running {
        say(format_args!("xtask: up already: {}", up_line(it)));
    }
    let is_up = |service: &Service| running.iter().any(|it| it.service == *service);
    let missing: Vec<Service> = Service::ALL.into_iter().filter(|it| !is_up(it)).collect();
    let mut failed = false;
    if !missing.is_empty() {
        let request = Request {
            choice,
            offline,
            serve: missing.clone(),
            programs: Vec::new(),
        };
        let mut services = Services::start(request)?;
        let found = services.found();
        for service in missing {
            if !found.running.iter().any(|it| it.service == service) {
                failed = true;
                say(fixes::explain(service, choice, found));
            }
        }
        running.extend(found.running.iter().cloned());
        services
            .keep()
            .map_err(|reason| format!("servers: {reason}"))?;
    }
    let mut read = Ok(());
    for it in &running {
        let variable = it.service.test_variable();
        read = read.and(print(format_args!("export {variable}={}", it.url)));
        if timings {
            say(timing_line(it));
        }
    }
    if !running.is_empty() {
        say("xtask: `cargo xtask services down` stops them");
    }
    if let Err(error) = read {
        let fix = "`cargo xtask services status` shows the URLs";
        return Err(format!("nobody read the variables ({error}); {fix}").into());
    }
    if failed {
        Err(Failure::Reported)
    } else {
        Ok(())
    }
}

fn down(home: &Home) -> Result {
    let (stopped, failures) = sweep::dead_and_kept(home);
    for it in &stopped {
        say(format_args!("xtask: stopped {}", up_line(it)));
    }
    if stopped.is_empty() && failures.is_empty() {
        say("xtask: nothing was up");
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures.join("\n").into())
    }
}

fn status(home: &Home) {
    let running = sweep::kept(home);
    for it in &running {
        let _ = print(format_args!("{}\n  {}", up_line(it), it.url));
    }
    if running.is_empty() {
        let _ = print("nothing is up; `cargo xtask services up` changes that");
    }
}

fn timing_line(running: &Running) -> String {
    let budget = budget(running);
    let verdict = if running.took <= budget {
        "within"
    } else {
        "OVER"
    };
    format!(
        "{:<9} {:<10} ready in {:>5} ms, {verdict} its budget of {} ms",
        running.service.name(),
        running.source.name(),
        running.took.as_millis(),
        budget.as_millis()
    )
}

/// How soon a service should answer on two cores that have nothing else to do.
fn budget(running: &Running) -> Duration {
    Duration::from_millis(match (running.service, running.source) {
        (Service::Redis, Source::Container) => 1500,
        (Service::Redis, _) => 50,
        (Service::Postgres, Source::Container) => 6000,
        (Service::Postgres, _) if running.is_first => 2000,
        (Service::Postgres, _) => 300,
    })
}
