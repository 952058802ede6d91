//! Ports for servers.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::StartError;

/// Below every system's range for outgoing connections. In that range, a client that knocks at a
/// killed server's port may be given the same port as its own, and talk to itself.
const FIRST: u16 = 11_000;
const COUNT: u16 = 10_000;

/// The bus of a cluster's node is this far above its port. It is kept free for every server.
const BUS_OFFSET: u16 = 10_000;

/// A port on loopback that is free now, and whose bus port is too.
///
/// The next moment it may be taken: a server that then fails to start is started on another one.
/// The search begins at random, so two tests seldom meet.
pub(crate) fn free_port() -> Result<u16, StartError> {
    let random = RandomState::new().hash_one(0);
    let start = u16::try_from(random % u64::from(COUNT)).expect("less than COUNT");
    (0..COUNT)
        .map(|step| FIRST + (start + step) % COUNT)
        .find(|port| is_free(*port) && is_free(port + BUS_OFFSET))
        .ok_or_else(|| {
            let doing = format!("looking for a free port from {FIRST}");
            StartError::io(doing)(std::io::ErrorKind::AddrInUse.into())
        })
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
