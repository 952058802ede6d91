//! One Postgres server.

mod data;
mod user;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::on_a_free_port;
use crate::StartError;
use crate::process::{Program, Server, loopback};

const PROGRAM: Program = Program {
    names: &["postgres"],
    variable: "PG_BIN_DIR",
    versions: Some("/usr/lib/postgresql"),
    package: "postgresql",
};

/// The user for a server that must not run as root.
const USER: &str = "postgres";

/// A crash of the machine may lose data here, which nobody misses: a killed *server* loses nothing
/// by these, since what it has written is with the kernel. `synchronous_commit` stays on: without
/// it, a killed server may lose what it has acknowledged.
const SETTINGS: [&str; 4] = [
    "fsync=off",
    "full_page_writes=off",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
];

/// A Postgres server of a test's own, to be killed, paused and restarted.
///
/// It listens on loopback, and dies with the value, or with the process that holds it. Started by
/// root it runs as the user `postgres`, or as `nobody`. The first start on a machine makes a data
/// folder (`initdb`, some second), and the later ones copy it.
///
/// # Examples
///
/// ```no_run
/// use testkit::Postgres;
///
/// let mut server = Postgres::start(&["-c", "max_connections=5"])?;
/// println!("psql '{}'", server.url());
///
/// server.kill9();
/// server.restart()?;
/// # Ok::<(), testkit::StartError>(())
/// ```
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    args: Vec<String>,
    addr: SocketAddr,
}

impl Postgres {
    /// Starts a server with further arguments, as `postgres` takes them, and waits until it takes
    /// connections.
    ///
    /// # Errors
    ///
    /// When the program is missing, and when the server does not become ready. The message then
    /// ends with its log.
    pub fn start(args: &[&str]) -> Result<Self, StartError> {
        let program = PROGRAM.find()?;
        let owner = user::owner_if_root();
        on_a_free_port(|port| {
            let server = Server::prepare(program.clone(), owner)?;
            data::fill(&data_folder(&server), &program, owner)?;
            let mut postgres = Self {
                args: all_args(&server, port, args),
                server,
                addr: loopback(port),
            };
            postgres.restart()?;
            Ok(postgres)
        })
    }

    /// `postgres://postgres@127.0.0.1:PORT/postgres`, the same after a restart.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{USER}@{}/postgres", self.addr)
    }

    /// Where it listens, the same after a restart.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The server's main process, `None` while it is killed.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// The server's folder, with its data and its log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// Kills the server and its backends by SIGKILL. The folder stays.
    pub fn kill9(&mut self) {
        self.server.kill9();
    }

    /// Starts the server again with the same port, folder and arguments, and waits until it takes
    /// connections. A server that still runs is killed first.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result<(), StartError> {
        self.server.kill9();
        self.server.launch(&self.args)?;
        let pid_file = data_folder(&self.server).join("postmaster.pid");
        self.server.await_ready(|pid| is_ready(&pid_file, pid))
    }

    /// Stops the server and its backends (SIGSTOP): connections stay open, and nobody answers.
    ///
    /// # Panics
    ///
    /// When the server was killed.
    pub fn pause(&self) {
        self.server.pause();
    }

    /// Lets a paused server go on.
    ///
    /// # Panics
    ///
    /// When the server was killed.
    pub fn resume(&self) {
        self.server.resume();
    }
}

fn data_folder(server: &Server) -> PathBuf {
    server.folder().join("data")
}

fn all_args(server: &Server, port: u16, args: &[&str]) -> Vec<String> {
    let data = data_folder(server).display().to_string();
    let mut all_args = vec!["-D".to_owned(), data, "-p".to_owned(), port.to_string()];
    for setting in SETTINGS {
        all_args.extend(["-c".to_owned(), setting.to_owned()]);
    }
    all_args.extend(args.iter().map(|arg| (*arg).to_owned()));
    all_args
}

/// What `pg_ctl` looks at too: the first line names the process, and the eighth its state.
fn is_ready(pid_file: &Path, pid: u32) -> Result<(), String> {
    let file = fs::read_to_string(pid_file).unwrap_or_default();
    let mut lines = file.lines().map(str::trim);
    let ours = lines.next() == Some(&pid.to_string());
    match lines.nth(6) {
        Some("ready") if ours => Ok(()),
        state => Err(format!("its state is {state:?}")),
    }
}
