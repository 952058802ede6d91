//! Servers in containers, by the command line of docker or podman: a client library would cost
//! more to build than the whole demo.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use super::home::Home;
use super::server::Server;
use super::wait::{Look, until_ready};
use super::{Service, Started, postgres, redis};
use crate::run;

/// A client without an engine behind it may wait for ever.
const PROBE_LIMIT: Duration = Duration::from_secs(5);
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
const READY_LIMIT: Duration = Duration::from_secs(60);
const PULL_LIMIT: Duration = Duration::from_secs(180);
/// With a stand-in at hand a registry gets less patience.
const PULL_LIMIT_WITH_STAND_IN: Duration = Duration::from_secs(15);

const LABEL: &str = "xtask.home";

/// A container engine that responds, by the name of its program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Engine {
    program: &'static str,
}

impl Engine {
    /// The first engine that answers, or why none did.
    pub(crate) fn find() -> Result<Self, String> {
        let mut reasons = Vec::new();
        for program in ["docker", "podman"] {
            // `info` asks the engine; `version` and `which` know only of the client.
            match run::output(Command::new(program).arg("info"), PROBE_LIMIT) {
                Ok(output) if output.status.success() => return Ok(Self { program }),
                Ok(output) => {
                    let words = String::from_utf8_lossy(&output.stderr).into_owned();
                    let words = run::last_lines(&words, 1);
                    reasons.push(format!("`{program} info` failed: {words}"));
                }
                Err(run::Error::NotFound) => reasons.push(format!("no {program}")),
                Err(error) => reasons.push(format!("`{program} info`: {error}")),
            }
        }
        Err(reasons.join("; "))
    }

    /// Removes containers of this checkout whose run is not alive: what a lost record left.
    pub(crate) fn sweep(self, home: &Home, is_alive: impl Fn(&str) -> bool) {
        let mut list = self.command(&["ps", "-a", "--format", "{{.Names}}", "--filter"]);
        list.arg(format!("label={LABEL}={}", home.dir().display()));
        let names = run::text(&mut list, COMMAND_LIMIT).unwrap_or_default();
        for name in names.lines().filter(|name| !is_alive(name)) {
            let _ = remove(self.program, name);
        }
    }

    /// An image of the service that is present, pulled if need be.
    pub(crate) fn image(
        self,
        service: Service,
        offline: bool,
        say: impl Fn(&str),
    ) -> Result<String, String> {
        let wanted = Images::of(service);
        if self.has(&wanted.first) {
            return Ok(wanted.first);
        }
        let stand_in = wanted.stand_in.filter(|image| self.has(image));
        let pulled = if offline {
            Err("not pulled: --offline".to_owned())
        } else {
            self.pull(&wanted.first, stand_in.is_some(), &say)
        };
        match (pulled, stand_in) {
            (Ok(()), _) => Ok(wanted.first),
            (Err(_), Some(stand_in)) => {
                say(&format!(
                    "{service}: using {stand_in} in place of {}",
                    wanted.first
                ));
                Ok(stand_in.to_owned())
            }
            (Err(reason), None) => Err(format!(
                "{} answers, but has no image {}: {reason}",
                self.program,
                wanted.names(),
            )),
        }
    }

    /// Starts the server.
    pub(crate) fn start(
        self,
        home: &Home,
        server: &mut Server,
        image: &str,
    ) -> Result<Started, String> {
        let service = server.folder().service;
        let name = name(&server.folder().run, service);
        server.set_container(self.program, &name)?;
        // A client that is killed half-way leaves it open whether the engine goes on.
        run::text_to_the_end(
            &mut self.run_command(home, service, &name, image),
            COMMAND_LIMIT,
        )?;
        let port = self.published_port(&name, service)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut looks = 0_u32;
        let version = until_ready(READY_LIMIT, || {
            looks += 1;
            // Asking the engine costs more than asking the server, so that is done now and then.
            if looks.is_multiple_of(16) && !is_running(self.program, &name) {
                return Look::Dead(format!(
                    "the container died at start; {}",
                    self.end_of_log(&name)
                ));
            }
            hello(service, address).map_or_else(Look::NotYet, Look::Ready)
        })?;
        let url = match service {
            Service::Redis => redis::url(port),
            Service::Postgres => postgres::url(port),
        };
        Ok(Started {
            url,
            version,
            is_first: false,
        })
    }

    fn command(self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program);
        command.args(args);
        command
    }

    fn has(self, image: &str) -> bool {
        run::text(
            &mut self.command(&["image", "inspect", image]),
            COMMAND_LIMIT,
        )
        .is_ok()
    }

    fn pull(self, image: &str, has_stand_in: bool, say: impl Fn(&str)) -> Result<(), String> {
        let limit = if has_stand_in {
            PULL_LIMIT_WITH_STAND_IN
        } else {
            PULL_LIMIT
        };
        say(&format!(
            "{image}: pulling, for {} s at most",
            limit.as_secs()
        ));
        run::text(&mut self.command(&["pull", "--quiet", image]), limit).map(drop)
    }

    /// There is no `--rm`: it would take the log of a server that dies at start with it. The
    /// keeper removes the container, and a later start what a dead keeper left.
    fn run_command(self, home: &Home, service: Service, name: &str, image: &str) -> Command {
        let mut command = self.command(&["run", "--detach", "--pull", "never", "--name", name]);
        command
            .arg("--label")
            .arg(format!("{LABEL}={}", home.dir().display()));
        match service {
            Service::Redis => {
                command.args(["--publish", "127.0.0.1::6379", "--tmpfs", "/data", image]);
                command.arg("redis-server").args(redis::SETTINGS);
            }
            Service::Postgres => {
                // A folder of our own: where the images keep theirs changed with version 18.
                command.args(["--publish", "127.0.0.1::5432", "--tmpfs", "/pgdata"]);
                command.args(["--env", "PGDATA=/pgdata/data"]);
                command.args(["--env", "POSTGRES_HOST_AUTH_METHOD=trust"]);
                command.args(["--env", "POSTGRES_INITDB_ARGS=--no-sync", image]);
                command.arg("postgres").args(postgres::SETTINGS);
            }
        }
        command
    }

    fn published_port(self, name: &str, service: Service) -> Result<u16, String> {
        let port = match service {
            Service::Redis => redis::PORT,
            Service::Postgres => postgres::PORT,
        };
        let mut command = self.command(&["port", name, &format!("{port}/tcp")]);
        let listing = run::text(&mut command, COMMAND_LIMIT);
        let listing = listing.map_err(|error| format!("{error}\n{}", self.end_of_log(name)))?;
        port_of(&listing).ok_or_else(|| {
            format!(
                "the container has no port on 127.0.0.1; {}",
                self.end_of_log(name)
            )
        })
    }

    fn end_of_log(self, name: &str) -> String {
        let mut logs = self.command(&["logs", "--tail", "8", name]);
        match run::output(&mut logs, COMMAND_LIMIT) {
            Ok(output) => {
                let both = [output.stdout, output.stderr].concat();
                format!(
                    "its last lines:\n{}",
                    String::from_utf8_lossy(&both).trim_end()
                )
            }
            Err(error) => format!("its log: {error}"),
        }
    }
}

/// The images of a service, the one to use first.
#[derive(Debug)]
struct Images {
    first: String,
    /// What `.ci/images` builds where nothing can be pulled.
    stand_in: Option<&'static str>,
}

impl Images {
    fn of(service: Service) -> Self {
        let (variable, official, stand_in) = match service {
            Service::Redis => ("XTASK_REDIS_IMAGE", "redis:8", "redis:local"),
            Service::Postgres => ("XTASK_POSTGRES_IMAGE", "postgres:18", "postgres:local"),
        };
        match std::env::var(variable) {
            // Somebody who names an image wants that one.
            Ok(image) if !image.is_empty() => Self {
                first: image,
                stand_in: None,
            },
            _ => Self {
                first: official.to_owned(),
                stand_in: Some(stand_in),
            },
        }
    }

    fn names(&self) -> String {
        match self.stand_in {
            Some(stand_in) => format!("{} or {stand_in}", self.first),
            None => self.first.clone(),
        }
    }
}

/// Removes a container with its volumes; one that never came to be is fine.
pub(crate) fn remove(engine: &str, name: &str) -> Result<(), String> {
    let removed = run::text_to_the_end(
        Command::new(engine).args(["rm", "--force", "--volumes", name]),
        COMMAND_LIMIT,
    );
    match removed {
        Err(reason) if !reason.contains("o such container") => Err(reason),
        _ => Ok(()),
    }
}

/// Whether a container is there and runs; one whose engine does not answer is taken to run.
pub(crate) fn is_running(engine: &str, name: &str) -> bool {
    let mut inspect = Command::new(engine);
    inspect.args(["inspect", "--format", "{{.State.Running}}", name]);
    match run::text(&mut inspect, COMMAND_LIMIT) {
        Ok(running) => running == "true",
        Err(reason) => !reason.contains("o such"),
    }
}

/// The name of a run's container, by which it is found again.
pub(crate) fn name(run: &str, service: Service) -> String {
    format!("xtask-{run}-{service}")
}

fn hello(service: Service, address: SocketAddr) -> Result<String, String> {
    let said = match service {
        Service::Redis => redis::hello(address),
        Service::Postgres => postgres::hello(address, "postgres", "postgres"),
    };
    said.map_err(|error| error.to_string())
}

/// The loopback port in the output of `docker port`.
fn port_of(listing: &str) -> Option<u16> {
    listing
        .lines()
        .find_map(|line| line.trim().strip_prefix("127.0.0.1:")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_port_is_taken() {
        assert_eq!(port_of("127.0.0.1:32768\n"), Some(32768));
        assert_eq!(port_of("[::1]:9\n127.0.0.1:7\n"), Some(7));
        assert_eq!(port_of("0.0.0.0:32768\n"), None);
    }
}
