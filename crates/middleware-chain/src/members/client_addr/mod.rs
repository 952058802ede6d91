//! Whose request it is.

mod hops;
mod network;

use std::net::{IpAddr, SocketAddr};

use hops::hops;
use http::HeaderName;
use http::header::FORWARDED;
use network::Network;

use crate::{BuildError, Exchange, Flow, Hook, Role};

/// Finds the client's address: the peer's, or, where the peer is a proxy that you trust, the last
/// address in `X-Forwarded-For`, or in [`Forwarded`](Self::forwarded), that is not such a proxy. What
/// stands further left was written by the client, and is not read.
///
/// The peer's address is taken from the request's extensions: a `SocketAddr`, which your accept
/// loop inserts. For another type see [`peer`](Self::peer).
#[derive(Debug, Clone)]
pub struct ClientAddr {
    trusted: Vec<Network>,
    header: HeaderName,
    peer: fn(&http::Extensions) -> Option<IpAddr>,
}

impl ClientAddr {
    /// The client is the peer.
    #[must_use]
    pub fn direct() -> Self {
        Self {
            trusted: Vec::new(),
            header: HeaderName::from_static("x-forwarded-for"),
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

    /// Reads `Forwarded` (RFC 7239) in place of `X-Forwarded-For`, for proxies that write that. There
    /// is no guess which one counts: the one that your proxy does not write is the client's to write.
    #[must_use]
    pub fn forwarded(mut self) -> Self {
        self.header = FORWARDED;
        self
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
        for hop in hops(&cx.request().headers, &self.header) {
            if !self.is_trusted(client) {
                break;
            }
            // A hop that cannot be read: the proxy before it is all that is known.
            let Some(hop) = hop else { break };
            client = hop;
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
