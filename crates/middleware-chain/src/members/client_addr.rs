//! Whose request it is.

use std::net::{IpAddr, SocketAddr};

use crate::{BuildError, Exchange, Flow, Hook, Role};

/// Finds the client's address: the peer's, or, where the peer is a proxy that you trust, the last
/// address in `X-Forwarded-For` that is not such a proxy. What stands further left was written by
/// the client, and is not read.
///
/// The peer's address is taken from the request's extensions: a `SocketAddr`, which your accept
/// loop inserts. For another type see [`peer`](Self::peer).
#[derive(Debug, Clone)]
pub struct ClientAddr {
    trusted: Vec<Network>,
    peer: fn(&http::Extensions) -> Option<IpAddr>,
}

impl ClientAddr {
    /// The client is the peer.
    #[must_use]
    pub fn direct() -> Self {
        Self {
            trusted: Vec::new(),
            peer: |extensions| extensions.get().map(SocketAddr::ip),
        }
    }

    /// The client is behind proxies in these networks.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidNetwork`] if one is not written as `10.0.0.0/8`.
    pub fn trusting<'a>(
        networks: impl IntoIterator<Item = &'a str>,
    ) -> std::result::Result<Self, BuildError> {
        let mut this = Self::direct();
        for text in networks {
            let network = Network::parse(text);
            let network = network.ok_or_else(|| BuildError::InvalidNetwork(text.to_owned()))?;
            this.trusted.push(network);
        }
        Ok(this)
    }

    /// Says where the peer's address is, as in axum's `ConnectInfo`.
    #[must_use]
    pub const fn peer(mut self, peer: fn(&http::Extensions) -> Option<IpAddr>) -> Self {
        self.peer = peer;
        self
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    fn client(&self, cx: &Exchange) -> Option<IpAddr> {
        let mut client = (self.peer)(&cx.request().extensions)?.to_canonical();
        let lines = cx.request().headers.get_all("x-forwarded-for");
        let mut lines: Vec<_> = lines.iter().collect();
        while let Some(line) = lines.pop() {
            for hop in line.as_bytes().rsplit(|byte| *byte == b',') {
                if !self.is_trusted(client) {
                    return Some(client);
                }
                let hop = std::str::from_utf8(hop).ok().and_then(address);
                // A hop that cannot be read: the proxy before it is all that is known.
                let Some(hop) = hop else {
                    return Some(client);
                };
                client = hop;
            }
        }
        Some(client)
    }
}

impl Hook for ClientAddr {
    type State = ();

    fn before(&self, (): &mut (), cx: &mut Exchange) -> Flow {
        if let Some(client) = self.client(cx) {
            cx.set_client(client);
        }
        Flow::Continue(())
    }

    fn role(&self) -> Role {
        Role::ClientAddr
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let address = hop.parse().ok();
    let address = address.or_else(|| hop.parse().ok().map(|it: SocketAddr| it.ip()));
    address.map(|it: IpAddr| it.to_canonical())
}

#[derive(Debug, Clone, Copy)]
struct Network {
    address: u128,
    is_v4: bool,
    mask: u128,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let length: u32 = length.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let host_bits = bits - (length <= bits).then_some(length)?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Self {
            address: bits_of(address) & mask,
            is_v4: address.is_ipv4(),
            mask,
        })
    }

    fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_v4 && bits_of(address) & self.mask == self.address
    }
}

fn bits_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}
