//! A Redis master with replicas, and the sentinels that watch over it.

use std::fs;
use std::net::SocketAddr;

use ::redis::{RedisError, cmd};

use super::on_a_free_port;
use super::redis::{Redis, first_answer};
use crate::StartError;
use crate::process::loopback;

const REPLICAS: usize = 2;
const SENTINELS: usize = 3;

/// A master with two replicas, and three sentinels of which two must agree that it is down.
///
/// It is up after some three seconds. When the master dies or is paused, the sentinels name
/// another one within some three.
///
/// # Examples
///
/// ```no_run
/// use testkit::Sentinel;
///
/// let mut servers = Sentinel::start(&[])?;
/// let old = servers.master()?;
/// servers.servers_mut()[0].kill9();
/// // ... wait for `servers.master()? != old` ...
/// # let _ = old;
/// # Ok::<(), testkit::StartError>(())
/// ```
#[derive(Debug)]
pub struct Sentinel {
    servers: Vec<Redis>,
    sentinels: Vec<Redis>,
}

impl Sentinel {
    /// The name by which the sentinels know the master.
    pub const MASTER_NAME: &str = "testkit";

    /// Starts the servers with further arguments each, then the sentinels, and waits until the
    /// replicas are in step and the sentinels know them and each other.
    ///
    /// # Errors
    ///
    /// As [`Redis::start`].
    pub fn start(args: &[&str]) -> Result<Self, StartError> {
        let args = [&["--repl-diskless-sync-delay", "0"], args].concat();
        let mut servers = vec![Redis::start(&args)?];
        let master = servers[0].addr();
        let port = master.port().to_string();
        for _ in 0..REPLICAS {
            servers.push(Redis::start(
                &[&["--replicaof", "127.0.0.1", &port], &args[..]].concat(),
            )?);
        }
        let sentinels = (0..SENTINELS)
            .map(|_| start_sentinel(master))
            .collect::<Result<_, _>>()?;
        let started = Self { servers, sentinels };
        for sentinel in &started.sentinels {
            sentinel.await_group(is_acquainted)?;
        }
        Ok(started)
    }

    /// The servers: at the start, the master and then its replicas.
    #[must_use]
    pub fn servers(&self) -> &[Redis] {
        &self.servers
    }

    /// The servers, to be killed and restarted.
    pub fn servers_mut(&mut self) -> &mut [Redis] {
        &mut self.servers
    }

    /// The sentinels.
    #[must_use]
    pub fn sentinels(&self) -> &[Redis] {
        &self.sentinels
    }

    /// The sentinels, to be killed and restarted.
    pub fn sentinels_mut(&mut self) -> &mut [Redis] {
        &mut self.sentinels
    }

    /// The URLs of all sentinels, for a sentinel client.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Redis::url).collect()
    }

    /// The master now, as the first sentinel names it that answers.
    ///
    /// # Errors
    ///
    /// When no sentinel answers.
    pub fn master(&self) -> Result<SocketAddr, StartError> {
        first_answer(&self.sentinels, master_named_by)
    }
}

fn start_sentinel(master: SocketAddr) -> Result<Redis, StartError> {
    on_a_free_port(|port| {
        let mut sentinel = Redis::launch_with(port, |folder| {
            // A sentinel writes what it learns into its configuration, so it needs a file.
            let file = folder.join("sentinel.conf");
            fs::write(&file, configuration(master)).map_err(StartError::io("writing"))?;
            Ok(vec![file.display().to_string(), "--sentinel".to_owned()])
        })?;
        sentinel.await_ready()?;
        Ok(sentinel)
    })
}

/// A master that is silent for a second is down.
fn configuration(master: SocketAddr) -> String {
    let (name, ip, port) = (Sentinel::MASTER_NAME, master.ip(), master.port());
    let quorum = SENTINELS / 2 + 1;
    format!(
        "sentinel monitor {name} {ip} {port} {quorum}\n\
         sentinel down-after-milliseconds {name} 1000\n\
         sentinel failover-timeout {name} 3000\n"
    )
}

fn master_named_by(sentinel: &Redis) -> Result<SocketAddr, RedisError> {
    let mut connection = sentinel.connect()?;
    let mut master = cmd("SENTINEL");
    master
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(Sentinel::MASTER_NAME);
    let (_ip, port): (String, u16) = master.query(&mut connection)?;
    Ok(loopback(port))
}

/// Whether a sentinel could fail the master over: it needs replicas in step and its peers.
fn is_acquainted(sentinel: &Redis) -> Result<Result<(), String>, RedisError> {
    let mut connection = sentinel.connect()?;
    let line: String = cmd("INFO").arg("sentinel").query(&mut connection)?;
    let replicas: Vec<Vec<String>> = cmd("SENTINEL")
        .arg("REPLICAS")
        .arg(Sentinel::MASTER_NAME)
        .query(&mut connection)?;
    let in_step = replicas
        .iter()
        .filter(|fields| {
            fields
                .chunks(2)
                .any(|field| field == ["master-link-status", "ok"])
        })
        .count();
    let peers = format!("sentinels={SENTINELS}");
    Ok(if line.contains(&peers) && in_step == REPLICAS {
        Ok(())
    } else {
        Err(format!(
            "{in_step} of {REPLICAS} replicas in step, {}",
            line.trim_end()
        ))
    })
}
