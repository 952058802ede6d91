//! The hops that proxies have written down, the last one first.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header::FORWARDED};

/// The addresses in a header, from its end. `None` is a hop that does not tell, or that cannot be
/// read.
pub(super) fn hops<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = Option<IpAddr>> + use<'a> {
    let is_forwarded = *name == FORWARDED;
    let lines = headers.get_all(name).iter().rev();
    let hops = lines.flat_map(move |line| from_the_end(line.as_bytes(), b',', is_forwarded));
    let read = if is_forwarded { forwarded_for } else { address };
    hops.map(read)
}

/// `for=192.0.2.43;proto=http`: one element of RFC 7239, section 4. There is each parameter once: of
/// two addresses, either may be what the client has written into a host that its proxy passes on.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut nodes = from_the_end(element, b';', true).filter_map(|pair| {
        let (name, value) = pair.split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    });
    let node = nodes.next()?;
    nodes.next().is_none().then(|| address(node))?
}

/// An address with or without a port, brackets and quotes, as proxies write them.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(hop).ok()?;
    let text = within(text, '"', '"').unwrap_or(text);
    let address = within(text, '[', ']').unwrap_or(text).parse();
    let address = address.or_else(|_| text.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|it| it.to_canonical())
}

fn within(text: &str, open: char, close: char) -> Option<&str> {
    text.strip_prefix(open)?.strip_suffix(close)
}

/// The parts between separators, the last one first, without the blanks around them. A separator
/// within quotes is none. Read from the end, what a client has written at the beginning, with an odd
/// quote in it, cannot swallow what a proxy has written after it.
fn from_the_end(line: &[u8], separator: u8, has_quotes: bool) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut at) = (false, line.len());
    let parts = line.rsplit(move |byte| {
        at -= 1;
        is_quoted ^= has_quotes && *byte == b'"' && !is_escaped(&line[..at]);
        *byte == separator && !is_quoted
    });
    parts.map(<[u8]>::trim_ascii)
}

/// Whether what comes after is the second half of a quoted pair: RFC 9110, section 5.6.4.
fn is_escaped(before: &[u8]) -> bool {
    let slashes = before.iter().rev().take_while(|byte| **byte == b'\\');
    slashes.count() % 2 == 1
}
