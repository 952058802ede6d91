//! A Redis Cluster.

use std::collections::HashSet;
use std::net::SocketAddr;

use ::redis::{ErrorKind, RedisError, cmd};

use super::redis::{Redis, first_answer};
use crate::StartError;
use crate::process::{free_port, loopback};

const MASTERS: usize = 3;
const SLOTS: usize = 16_384;

/// A master that is silent for this long is replaced by its replica.
const NODE_TIMEOUT_MS: &str = "1000";

/// How long a key may take from one node to another.
const MIGRATION_MS: u32 = 5_000;

/// Three masters with a replica each.
///
/// It is made by cluster commands, without `redis-cli`, and is up after some two seconds. When a
/// master dies or is paused, its replica takes over within some three.
///
/// # Examples
///
/// ```no_run
/// use testkit::Cluster;
///
/// let mut cluster = Cluster::start(&[])?;
/// let master = cluster.master_of("user:1")?;
/// cluster.nodes_mut()[master].kill9();
/// # Ok::<(), testkit::StartError>(())
/// ```
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts six servers with further arguments each and waits until all slots are served and
    /// all replicas are in step.
    ///
    /// # Errors
    ///
    /// As [`Redis::start`].
    pub fn start(args: &[&str]) -> Result<Self, StartError> {
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self::start_with(|_addr| args.clone())
    }

    /// As [`start`](Self::start), with further arguments that depend on where a server listens: to
    /// put something in front of it that its cluster is to know it by.
    ///
    /// # Errors
    ///
    /// As [`Redis::start`].
    pub fn start_with(args: impl Fn(SocketAddr) -> Vec<String>) -> Result<Self, StartError> {
        let cluster = Self {
            nodes: launch_nodes(args)?,
        };
        cluster.assign_slots()?;
        cluster.await_all(is_acquainted)?;
        cluster.assign_replicas()?;
        cluster.await_all(is_complete)?;
        Ok(cluster)
    }

    /// The servers: at the start, three masters and then their replicas.
    #[must_use]
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The servers, to be killed and restarted.
    pub fn nodes_mut(&mut self) -> &mut [Redis] {
        &mut self.nodes
    }

    /// The URLs of all nodes, for a cluster client.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(Redis::url).collect()
    }

    /// Which of [`nodes`](Self::nodes) serves a key now, as the first node knows it that answers.
    ///
    /// # Errors
    ///
    /// When no node answers, or the key's slot is not served.
    pub fn master_of(&self, key: &str) -> Result<usize, StartError> {
        let port = first_answer(&self.nodes, |node| master_port(node, key))?;
        let mut nodes = self.nodes.iter();
        nodes
            .position(|node| node.addr().port() == port)
            .ok_or_else(|| RedisError::from((ErrorKind::Client, "a foreign node")).into())
    }

    /// Begins to move the slot of a key to another of [`nodes`](Self::nodes). Until the move is
    /// finished, the old one serves the keys that it still has, and sends clients on for the others.
    ///
    /// # Errors
    ///
    /// When a node does not answer, or the slot is not served.
    pub fn start_move(&self, key: &str, to: usize) -> Result<SlotMove<'_>, StartError> {
        let (from, to) = (&self.nodes[self.master_of(key)?], &self.nodes[to]);
        let slot = slot_of(from, key)?;
        set_slot(to, slot, "IMPORTING", &id(from)?)?;
        set_slot(from, slot, "MIGRATING", &id(to)?)?;
        Ok(SlotMove {
            cluster: self,
            from,
            to,
            slot,
        })
    }

    fn assign_slots(&self) -> Result<(), StartError> {
        for (index, node) in self.nodes.iter().enumerate() {
            let mut connection = node.connect()?;
            if index < MASTERS {
                let slots = index * SLOTS / MASTERS..(index + 1) * SLOTS / MASTERS;
                let mut add_slots = cmd("CLUSTER");
                add_slots.arg("ADDSLOTS").arg(slots.collect::<Vec<_>>());
                add_slots.exec(&mut connection)?;
            }
            // Equal epochs would be set right by the nodes themselves, only later.
            let mut set_epoch = cmd("CLUSTER");
            set_epoch.arg("SET-CONFIG-EPOCH").arg(index + 1);
            set_epoch.exec(&mut connection)?;
        }
        let mut first = self.nodes[0].connect()?;
        for addr in self.nodes[1..].iter().map(Redis::addr) {
            let mut meet = cmd("CLUSTER");
            meet.arg("MEET").arg(addr.ip().to_string()).arg(addr.port());
            meet.exec(&mut first)?;
        }
        Ok(())
    }

    fn assign_replicas(&self) -> Result<(), StartError> {
        let (masters, replicas) = self.nodes.split_at(MASTERS);
        for (master, replica) in masters.iter().zip(replicas) {
            let mut replicate = cmd("CLUSTER");
            replicate.arg("REPLICATE").arg(id(master)?);
            replicate.exec(&mut replica.connect()?)?;
        }
        Ok(())
    }

    fn await_all(
        &self,
        is_ready: fn(&Redis) -> Result<Ready, RedisError>,
    ) -> Result<(), StartError> {
        self.nodes
            .iter()
            .try_for_each(|node| node.await_group(is_ready))
    }
}

/// A slot on its way from one node to another.
#[derive(Debug)]
pub struct SlotMove<'a> {
    cluster: &'a Cluster,
    from: &'a Redis,
    to: &'a Redis,
    slot: u16,
}

impl SlotMove<'_> {
    /// Moves one of its keys, and returns its name. `None` if the old node has none any more.
    ///
    /// # Errors
    ///
    /// When a node does not answer.
    pub fn move_a_key(&self) -> Result<Option<String>, StartError> {
        let mut connection = self.from.connect()?;
        let mut keys = cmd("CLUSTER");
        keys.arg("GETKEYSINSLOT").arg(self.slot).arg(1);
        let keys: Vec<String> = keys.query(&mut connection)?;
        let Some(key) = keys.into_iter().next() else {
            return Ok(None);
        };
        let addr = self.to.addr();
        let mut migrate = cmd("MIGRATE");
        migrate.arg(addr.ip().to_string()).arg(addr.port());
        migrate.arg(&key).arg(0).arg(MIGRATION_MS);
        migrate.exec(&mut connection)?;
        Ok(Some(key))
    }

    /// Moves the keys that are left, and makes the new node the slot's.
    ///
    /// # Errors
    ///
    /// When a node does not answer.
    pub fn finish(self) -> Result<(), StartError> {
        while self.move_a_key()?.is_some() {}
        let owner = id(self.to)?;
        // First the two, so that there is no moment in which nobody serves it; the others would
        // hear of it from them.
        set_slot(self.to, self.slot, "NODE", &owner)?;
        set_slot(self.from, self.slot, "NODE", &owner)?;
        let others = self.cluster.nodes.iter();
        for other in
            others.filter(|other| ![self.from.addr(), self.to.addr()].contains(&other.addr()))
        {
            // A replica refuses to be told, and a dead one does not listen.
            let _ = set_slot(other, self.slot, "NODE", &owner);
        }
        Ok(())
    }
}

fn id(node: &Redis) -> Result<String, RedisError> {
    cmd("CLUSTER").arg("MYID").query(&mut node.connect()?)
}

fn slot_of(node: &Redis, key: &str) -> Result<u16, RedisError> {
    let mut key_slot = cmd("CLUSTER");
    key_slot.arg("KEYSLOT").arg(key);
    key_slot.query(&mut node.connect()?)
}

fn set_slot(node: &Redis, slot: u16, state: &str, id: &str) -> Result<(), RedisError> {
    let mut set = cmd("CLUSTER");
    set.arg("SETSLOT").arg(slot).arg(state).arg(id);
    set.exec(&mut node.connect()?)
}

/// Whether a node is ready, or what it still lacks.
type Ready = Result<(), String>;

fn is_acquainted(node: &Redis) -> Result<Ready, RedisError> {
    let known = known_nodes(node)?;
    let ports: HashSet<_> = known.iter().filter_map(|line| port(line)).collect();
    let in_handshake = known.iter().any(|line| line.contains("handshake"));
    if ports.len() == 2 * MASTERS && !in_handshake {
        Ok(Ok(()))
    } else {
        Ok(Err(format!(
            "it knows {} of {} nodes",
            ports.len(),
            2 * MASTERS
        )))
    }
}

fn is_complete(node: &Redis) -> Result<Ready, RedisError> {
    let mut connection = node.connect()?;
    let state: String = cmd("CLUSTER").arg("INFO").query(&mut connection)?;
    let replication: String = cmd("INFO").arg("replication").query(&mut connection)?;
    let known = known_nodes(node)?;
    let replicas = known.iter().filter(|line| line.contains("slave")).count();
    let lacks = [
        (!state.contains("cluster_state:ok"), "slots are not served"),
        (replicas != MASTERS, "masters have no replica"),
        (
            replication.contains("master_link_status:down"),
            "it is not in step",
        ),
    ];
    let lacks = lacks.into_iter().find(|(lacks, _)| *lacks);
    Ok(lacks.map_or(Ok(()), |(_, what)| Err(what.to_owned())))
}

/// All at once, since each takes its time.
fn launch_nodes(args: impl Fn(SocketAddr) -> Vec<String>) -> Result<Vec<Redis>, StartError> {
    let cluster_args = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        NODE_TIMEOUT_MS,
        // A replica may take over however old its data is, and gets that data without delay.
        "--cluster-replica-validity-factor",
        "0",
        "--repl-diskless-sync-delay",
        "0",
    ];
    let launch = || {
        let port = free_port()?;
        let own_args = args(loopback(port));
        let own_args = own_args.iter().map(String::as_str);
        let args: Vec<_> = cluster_args.into_iter().chain(own_args).collect();
        Redis::launch(port, &args)
    };
    let mut nodes = (0..2 * MASTERS)
        .map(|_| launch())
        .collect::<Result<Vec<_>, _>>()?;
    for node in &mut nodes {
        while let Err(error) = node.await_ready() {
            if !error.is_port_taken() {
                return Err(error);
            }
            *node = launch()?;
        }
    }
    Ok(nodes)
}

/// The lines of `CLUSTER NODES`: id, address, flags, master, ..., slots.
fn known_nodes(node: &Redis) -> Result<Vec<String>, RedisError> {
    let lines: String = cmd("CLUSTER").arg("NODES").query(&mut node.connect()?)?;
    Ok(lines.lines().map(str::to_owned).collect())
}

/// The port in a line of `CLUSTER NODES`: `id 127.0.0.1:11001@21001 master ...`.
fn port(line: &str) -> Option<u16> {
    let address = line.split(' ').nth(1)?;
    let (_ip, ports) = address.rsplit_once(':')?;
    ports.split('@').next()?.parse().ok()
}

/// Whether the slot is in a line of `CLUSTER NODES`: its ninth word and those after it are slots,
/// as `7` or `0-5460`.
fn serves(line: &str, slot: u16) -> bool {
    line.split(' ').skip(8).any(|slots| {
        let (first, last) = slots.split_once('-').unwrap_or((slots, slots));
        let bounds = first.parse::<u16>().ok().zip(last.parse::<u16>().ok());
        bounds.is_some_and(|(first, last)| (first..=last).contains(&slot))
    })
}

fn master_port(node: &Redis, key: &str) -> Result<u16, RedisError> {
    let slot = slot_of(node, key)?;
    let lines = known_nodes(node)?;
    let master = lines.iter().find(|line| serves(line, slot));
    master
        .and_then(|line| port(line))
        .ok_or_else(|| (ErrorKind::Client, "no node serves the key's slot").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_of_a_cluster_are_read_as_redis_writes_them() {
        let master = "07c3 127.0.0.1:30004@31004 myself,master - 0 142 4 connected 0-5460 7000";
        let moving = "67ed 127.0.0.1:30002@31002,host master - 0 142 2 connected 9 [93-<-292f]";
        let replica = "6ec2 127.0.0.1:30005@31005 slave 67ed 0 142 5 connected";
        // Line: port, a slot served, a slot not served.
        for (line, its_port, served, not_served) in [
            (master, 30_004, Some(0), 5_461),
            (master, 30_004, Some(5_460), 6_999),
            (master, 30_004, Some(7_000), 7_001),
            (moving, 30_002, Some(9), 93),
            (replica, 30_005, None, 0),
        ] {
            assert_eq!(port(line), Some(its_port), "{line}");
            assert!(served.is_none_or(|slot| serves(line, slot)), "{line}");
            assert!(!serves(line, not_served), "{line}");
        }
    }
}
