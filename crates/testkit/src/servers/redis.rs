//! One Redis server.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ::redis::{Client, Connection, ErrorKind, RedisError};

use super::on_a_free_port;
use crate::StartError;
use crate::process::{Program, READY_BOUND, Server, loopback};

const PROGRAM: Program = Program {
    names: &["redis-server", "valkey-server"],
    variable: "REDIS_SERVER_BIN",
    versions: None,
    package: "redis-server",
};

/// How long a server has to show that it is ready, until it is asked again: a stranger who has taken
/// its port may say nothing for ever.
const ANSWER_BOUND: Duration = Duration::from_secs(2);

/// Between two looks at a group of servers.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// A Redis server of a test's own, to be killed, paused and restarted.
///
/// It listens on loopback, keeps no data unless it is told to, and dies with the value, or with
/// the process that holds it.
///
/// # Examples
///
/// ```no_run
/// use testkit::Redis;
///
/// let mut server = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"])?;
/// let client = redis::Client::open(server.url()).expect("the URL is a valid one");
///
/// server.kill9();
/// server.restart()?;
/// # drop(client);
/// # Ok::<(), testkit::StartError>(())
/// ```
#[derive(Debug)]
pub struct Redis {
    server: Server,
    args: Vec<String>,
    addr: SocketAddr,
}

impl Redis {
    /// Starts a server with further arguments, as `redis-server` takes them, and waits until it
    /// answers: some ten milliseconds.
    ///
    /// # Errors
    ///
    /// When the program is missing, and when the server does not become ready. The message then
    /// ends with its log.
    pub fn start(args: &[&str]) -> Result<Self, StartError> {
        on_a_free_port(|port| {
            let mut redis = Self::launch(port, args)?;
            redis.await_ready()?;
            Ok(redis)
        })
    }

    /// Starts the process, and does not wait for it to be ready.
    pub(super) fn launch(port: u16, args: &[&str]) -> Result<Self, StartError> {
        // No snapshots, unless the arguments ask for them.
        let args = ["--save", ""].iter().chain(args);
        Self::launch_with(port, |_folder| {
            Ok(args.map(|arg| (*arg).to_owned()).collect())
        })
    }

    /// As [`launch`](Self::launch), for arguments that need to know the server's folder.
    pub(super) fn launch_with(
        port: u16,
        args: impl FnOnce(&Path) -> Result<Vec<String>, StartError>,
    ) -> Result<Self, StartError> {
        let mut server = Server::prepare(PROGRAM.find()?, None)?;
        let mut all_args = args(server.folder())?;
        let own_args = format!("--port {port} --bind 127.0.0.1 --daemonize no");
        all_args.extend(own_args.split(' ').map(str::to_owned));
        server.launch(&all_args)?;
        Ok(Self {
            server,
            args: all_args,
            addr: loopback(port),
        })
    }

    pub(super) fn await_ready(&mut self) -> Result<(), StartError> {
        let url = self.url();
        self.server.await_ready(|pid| is_ready(&url, pid))
    }

    /// `redis://127.0.0.1:PORT`, the same after a restart.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.addr)
    }

    /// Where it listens, the same after a restart.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The server's process, `None` while it is killed.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// The server's folder, with its data, if it keeps any, and its log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.server.folder()
    }

    /// Kills the server by SIGKILL: what it has not written is lost. The folder stays.
    pub fn kill9(&mut self) {
        self.server.kill9();
    }

    /// Starts the server again with the same port, folder and arguments, and waits until it
    /// answers. A server that still runs is killed first.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn restart(&mut self) -> Result<(), StartError> {
        self.server.kill9();
        self.server.launch(&self.args)?;
        self.await_ready()
    }

    /// Stops the process (SIGSTOP): connections stay open, and nobody answers.
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

    /// For the set-up. It is our own server, which answers in the end: a sentinel on a busy machine
    /// took longer than two seconds.
    pub(super) fn connect(&self) -> Result<Connection, RedisError> {
        connect(&self.url(), READY_BOUND)
    }

    /// Asks a group's server until the group is ready. The inner error is the state.
    pub(super) fn await_group(
        &self,
        ask: impl Fn(&Self) -> Result<Result<(), String>, RedisError>,
    ) -> Result<(), StartError> {
        let deadline = Instant::now() + READY_BOUND;
        while let Err(state) = ask(self)? {
            if Instant::now() > deadline {
                return Err(StartError::NotReady {
                    server: format!("the group's server {}", self.addr),
                    bound: READY_BOUND,
                    state,
                    log: self.server.last_log_lines(),
                });
            }
            thread::sleep(LOOK_AGAIN_AFTER);
        }
        Ok(())
    }
}

/// What the first server says that answers.
pub(super) fn first_answer<T>(
    servers: &[Redis],
    ask: impl Fn(&Redis) -> Result<T, RedisError>,
) -> Result<T, StartError> {
    let mut answer = Err((ErrorKind::Client, "there is no server to ask").into());
    for server in servers {
        answer = ask(server);
        if answer.is_ok() {
            break;
        }
    }
    Ok(answer?)
}

fn connect(url: &str, bound: Duration) -> Result<Connection, RedisError> {
    let connection = Client::open(url)?.get_connection_with_timeout(bound)?;
    connection.set_read_timeout(Some(bound))?;
    connection.set_write_timeout(Some(bound))?;
    Ok(connection)
}

/// Whether our own process answers at `url`, and not whoever took its port.
fn is_ready(url: &str, pid: u32) -> Result<(), String> {
    let ask = || -> Result<String, RedisError> {
        let mut connection = connect(url, ANSWER_BOUND)?;
        // It fails while data is loaded.
        ::redis::cmd("PING").exec(&mut connection)?;
        ::redis::cmd("INFO").arg("server").query(&mut connection)
    };
    let info = ask().map_err(|error| error.to_string())?;
    let ours = format!("process_id:{pid}");
    if info.lines().any(|line| line == ours) {
        Ok(())
    } else {
        Err("another process answers on its port".to_owned())
    }
}
