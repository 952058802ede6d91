//! Who a request comes from, if it comes through proxies.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, header};
use ipnet::{IpNet, Ipv4Net};

use crate::ProxyError;

/// Finds the client of a request that has come through proxies of ours.
///
/// Anybody can write `X-Forwarded-For`. So the header is read from its end, where our own proxy
/// has written who asked it, and only as far as those who wrote are trusted: the first address
/// that is not one of our proxies is the client. Without proxies, trust none: then the header is
/// not looked at.
///
/// # Examples
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use redis_ratelimit::TrustedProxies;
///
/// let proxies = TrustedProxies::x_forwarded_for(["10.0.0.0/8", "2001:db8:1::/48"])?;
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6, 192.0.2.7, 10.1.1.1"));
///
/// let peer = "10.2.2.2".parse()?;
/// assert_eq!(proxies.client(peer, &headers).to_string(), "192.0.2.7");
/// let stranger = "203.0.113.9".parse()?;
/// assert_eq!(proxies.client(stranger, &headers), stranger);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TrustedProxies {
    nets: Vec<IpNet>,
    header: HeaderName,
}

impl TrustedProxies {
    /// Trusts nobody: the peer is the client.
    #[must_use]
    pub fn none() -> Self {
        Self {
            nets: Vec::new(),
            header: HeaderName::from_static("x-forwarded-for"),
        }
    }

    /// Trusts proxies in these networks, as `10.0.0.0/8` or `2001:db8::1`, which append to
    /// `X-Forwarded-For`.
    ///
    /// # Errors
    ///
    /// A [`ProxyError`] that names what is neither a network nor an address.
    pub fn x_forwarded_for<'a>(
        nets: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ProxyError> {
        let nets = nets.into_iter().map(parse_net).collect::<Result<_, _>>()?;
        Ok(Self {
            nets,
            ..Self::none()
        })
    }

    /// As [`x_forwarded_for`](Self::x_forwarded_for), for proxies that append to `Forwarded`
    /// (RFC 7239). There is no guess which header counts: the one that our proxy does not write
    /// is the client's to write.
    ///
    /// # Errors
    ///
    /// A [`ProxyError`] that names what is neither a network nor an address.
    pub fn forwarded<'a>(nets: impl IntoIterator<Item = &'a str>) -> Result<Self, ProxyError> {
        Ok(Self {
            header: header::FORWARDED,
            ..Self::x_forwarded_for(nets)?
        })
    }

    /// The address of the client, when `peer` is who is connected to us.
    ///
    /// Where a trusted proxy has written something that is no address, or does not tell, the last
    /// proxy that is known stands for the client: too many share its limit, but nobody escapes.
    #[must_use]
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let is_forwarded = self.header == header::FORWARDED;
        let lines = headers.get_all(&self.header).iter().rev();
        let hops = lines.flat_map(|line| from_the_end(line.as_bytes(), b',', is_forwarded));
        for hop in hops {
            if !self.is_trusted(client) {
                break;
            }
            let address = if is_forwarded {
                forwarded_for(hop)
            } else {
                parse_address(hop)
            };
            let Some(address) = address else { break };
            client = address;
        }
        client
    }

    /// A key for the client of a request: its IPv4 address, or the /64 that its IPv6 address is
    /// in, because whoever has one of these has all of them.
    #[must_use]
    pub fn client_key(&self, peer: IpAddr, headers: &HeaderMap) -> String {
        match self.client(peer, headers) {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }
    }

    fn is_trusted(&self, address: IpAddr) -> bool {
        self.nets.iter().any(|net| net.contains(&address))
    }
}

fn parse_net(text: &str) -> Result<IpNet, ProxyError> {
    let net = text.parse().or_else(|_| text.parse().map(IpAddr::into));
    let net: IpNet = net.map_err(|_| ProxyError { net: text.into() })?;
    // Addresses are compared in their short form.
    let (IpAddr::V4(address), Some(length)) =
        (net.addr().to_canonical(), net.prefix_len().checked_sub(96))
    else {
        return Ok(net);
    };
    Ok(Ipv4Net::new(address, length).map_or(net, IpNet::V4))
}

/// `for=192.0.2.43;proto=http`, one element of RFC 7239, section 4. There is each parameter once: of
/// two addresses, either may be what the client has written into a host that its proxy passes on.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut nodes = from_the_end(element, b';', true).filter_map(|pair| {
        let (name, value) = pair.split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    });
    let node = nodes.next()?;
    nodes.next().is_none().then(|| parse_address(node))?
}

/// An address with or without a port, brackets and quotes, as proxies write them.
fn parse_address(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?.trim();
    let unquoted = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    let text = unquoted.unwrap_or(text);
    let bracketed = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let address = bracketed.unwrap_or(text).parse::<IpAddr>();
    let address = address.or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// Whether what comes after is the second half of a quoted pair: RFC 9110, section 5.6.4.
fn is_escaped(before: &[u8]) -> bool {
    let slashes = before.iter().rev().take_while(|byte| **byte == b'\\');
    slashes.count() % 2 == 1
}

/// The parts between separators, the last one first, without the spaces around them. A separator
/// within quotes is none. Reading from the end, what a client has written at the beginning, with
/// an odd quote in it, can't swallow what a proxy has written after it.
fn from_the_end(line: &[u8], separator: u8, has_quotes: bool) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut at) = (false, line.len());
    let parts = line.rsplit(move |byte| {
        at -= 1;
        is_quoted ^= has_quotes && *byte == b'"' && !is_escaped(&line[..at]);
        *byte == separator && !is_quoted
    });
    parts.map(<[u8]>::trim_ascii)
}
