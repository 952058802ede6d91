//! Servers as processes of this machine.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::home::Home;
use super::record::end_of_log;
use super::server::Server;
use super::wait::{Look, free_port, until_ready};
use super::{Service, Started, data, postgres, redis};

const REDIS_LIMIT: Duration = Duration::from_secs(10);
const POSTGRES_LIMIT: Duration = Duration::from_secs(60);

/// Between the look for a free port and its use somebody else may take it.
const PORTS_TRIED_MAX: u32 = 5;

/// Starts the server with the program or the folder of programs at `program`.
pub(crate) fn start(home: &Home, server: &mut Server, program: &Path) -> Result<Started, String> {
    match server.folder().service {
        Service::Redis => {
            let folder = server.folder().dir.clone();
            let command = |port| redis::command(program, &folder, port);
            let hello = |address| redis::hello(address).map_err(|error| error.to_string());
            let (port, version) = spawn(server, command, redis::READY, hello, REDIS_LIMIT)?;
            Ok(Started {
                url: redis::url(port),
                version,
                is_first: false,
            })
        }
        Service::Postgres => {
            let folder = server.folder().clone();
            let data_dir = folder.dir.join("data");
            let is_first = data::provide(home, program, &folder.run, &data_dir)?;
            let command = |port| postgres::command(program, &data_dir, port, home.unprivileged());
            let hello = |address| {
                postgres::hello(address, "postgres", "postgres").map_err(|error| error.to_string())
            };
            let (port, version) = spawn(server, command, postgres::READY, hello, POSTGRES_LIMIT)?;
            Ok(Started {
                url: postgres::url(port),
                version,
                is_first,
            })
        }
    }
}

/// Runs `command` on a free port until the server serves.
fn spawn(
    server: &mut Server,
    command: impl Fn(u16) -> Command,
    ready_line: &str,
    hello: impl Fn(SocketAddr) -> Result<String, String>,
    limit: Duration,
) -> Result<(u16, String), String> {
    let mut tries = 0;
    loop {
        tries += 1;
        let port = free_port().map_err(|error| format!("no free port: {error}"))?;
        spawn_on(server, command(port))?;
        match ready_on(server, port, ready_line, &hello, limit) {
            Ok(version) => return Ok((port, version)),
            Err(reason) => {
                server.end_child();
                let taken = reason.to_lowercase().contains("address already in use");
                if !taken || tries == PORTS_TRIED_MAX {
                    return Err(reason);
                }
            }
        }
    }
}

fn spawn_on(server: &mut Server, mut command: Command) -> Result<(), String> {
    let log = server.folder().log();
    let file = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let copy = file
        .try_clone()
        .map_err(|error| format!("{}: {error}", log.display()))?;
    // Nothing of ours is inherited: a server that is kept would hold our caller's pipes open.
    command.stdin(Stdio::null()).stdout(file).stderr(copy);
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    server.set_child(child)
}

/// Waits for the line in the log and for the answer: a stranger may answer on this port, and
/// only our own server writes into our log.
fn ready_on(
    server: &mut Server,
    port: u16,
    ready_line: &str,
    hello: impl Fn(SocketAddr) -> Result<String, String>,
    limit: Duration,
) -> Result<String, String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let log = server.folder().log();
    let waited = until_ready(limit, || {
        if server.has_died() {
            return Look::Dead(format!("it died at start; {}", end_of_log(&log)));
        }
        let said = std::fs::read(&log).unwrap_or_default();
        if !String::from_utf8_lossy(&said).contains(ready_line) {
            return Look::NotYet(format!(
                "no {ready_line:?} in its log; {}",
                end_of_log(&log)
            ));
        }
        hello(address).map_or_else(Look::NotYet, Look::Ready)
    });
    waited.map_err(|reason| format!("{}: {reason}", server.folder().service))
}
