//! Servers by host and port.

#[cfg(feature = "cluster")]
use std::fmt;
use std::sync::Arc;

use redis::{ConnectionAddr, ConnectionInfo};

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Address {
    host: Arc<str>,
    port: u16,
}

impl Address {
    pub(super) fn new(host: &str, port: u16) -> Self {
        let host = host.into();
        Self { host, port }
    }

    /// That of a URL, `None` if it is a socket in the file system.
    pub(super) fn of(info: &ConnectionInfo) -> Option<Self> {
        match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some(Self::new(host, *port))
            }
            _ => None,
        }
    }

    /// The address in `MOVED 3999 127.0.0.1:6381`. Without a host it is that of who says so.
    #[cfg(feature = "cluster")]
    pub(super) fn told_by(&self, text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = if host.is_empty() { &*self.host } else { host };
        Some(Self::new(host, port.parse().ok()?))
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// How to connect to it, by the example of another one: as the same user, and with TLS or
    /// without.
    pub(super) fn info(&self, example: &ConnectionInfo) -> ConnectionInfo {
        let (host, port) = (self.host.to_string(), self.port);
        let addr = match example.addr() {
            ConnectionAddr::TcpTls {
                insecure,
                tls_params,
                ..
            } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: tls_params.clone(),
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        example.clone().set_addr(addr)
    }
}

#[cfg(feature = "cluster")]
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
