//! `cargo xtask demo`: the demo, on Redis and Postgres of its own if asked for.

use std::os::fd::OwnedFd;
use std::process::Stdio;

use crate::failure::{Failure, Result};
use crate::services::client::Services;
use crate::services::{Choice, Request, Service, fixes};
use crate::workspace::Workspace;

/// The port of the first of several instances; the others follow.
const PORT_FIRST: u16 = 3000;

/// Enough to see them share, and few enough for one machine.
pub(crate) const INSTANCES_MAX: u16 = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) with_services: bool,
    pub(crate) instances: u16,
    /// Handed to each instance; several get their ports from us.
    pub(crate) args: Vec<String>,
}

pub(crate) fn execute(workspace: &Workspace, options: &Options) -> Result {
    if !options.with_services {
        return run_all(workspace, options, &[], || Ok(Stdio::null()));
    }
    let request = Request {
        serve: Service::ALL.to_vec(),
        ..Request::default()
    };
    let mut services = Services::start(request)?;
    let found = services.found();
    let mut urls = Vec::new();
    for service in Service::ALL {
        match found.running.iter().find(|it| it.service == service) {
            Some(running) => urls.push((service.live_variable(), running.url.clone())),
            None => return Err(fixes::explain(service, Choice::Auto, found).into()),
        }
    }
    // Each instance holds the pipe that the keeper lives by. A Ctrl-C ends us at once, and the
    // databases stay until the last instance has drained.
    let lifeline = services.lifeline().ok_or("the keeper has gone")?;
    let lifeline = OwnedFd::from(lifeline);
    let ran = run_all(workspace, options, &urls, || {
        lifeline
            .try_clone()
            .map(Stdio::from)
            .map_err(|error| Failure::from(error.to_string()))
    });
    drop(lifeline);
    let ended = services.finish();
    ran.and(ended.map_err(|reason| format!("servers: {reason}").into()))
}

fn run_all(
    workspace: &Workspace,
    options: &Options,
    urls: &[(&str, String)],
    stdin: impl Fn() -> Result<Stdio>,
) -> Result {
    let mut children = Vec::new();
    for instance in 0..options.instances {
        let mut command = workspace.cargo();
        command
            .args(["run", "--quiet", "--package", "demo", "--"])
            .args(&options.args);
        if options.instances > 1 {
            command.args(["--port", &(PORT_FIRST + instance).to_string()]);
        }
        command.envs(urls.iter().map(|(name, url)| (name, url)));
        let child = command.stdin(stdin()?).spawn();
        children.push(child.map_err(|error| format!("cargo: {error}"))?);
    }
    let mut failed = false;
    for mut child in children {
        failed |= !child.wait().is_ok_and(|status| status.success());
    }
    if failed {
        Err(Failure::Reported)
    } else {
        Ok(())
    }
}
