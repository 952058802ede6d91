//! The parts of a server's URL that a first hello needs.

use std::net::{SocketAddr, ToSocketAddrs};

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: String,
    pub(crate) user: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: String,
}

impl Url {
    pub(crate) fn parse(url: &str, default_port: u16) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let rest = rest.split(['?', '#']).next()?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (host, port) = split_port(place, default_port)?;
        Some(Self {
            scheme: scheme.to_owned(),
            user: login.split(':').next()?.to_owned(),
            host: if host.is_empty() { "localhost" } else { host }.to_owned(),
            port,
            path: path.to_owned(),
        })
    }

    pub(crate) fn address(&self) -> Result<SocketAddr, String> {
        let found = (self.host.as_str(), self.port).to_socket_addrs();
        let mut found = found.map_err(|error| format!("{}: {error}", self.host))?;
        found
            .next()
            .ok_or_else(|| format!("{} has no address", self.host))
    }
}

fn split_port(place: &str, default_port: u16) -> Option<(&str, u16)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = port
            .strip_prefix(':')
            .map_or(Some(default_port), |it| it.parse().ok())?;
        return Some((host, port));
    }
    match place.rsplit_once(':') {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((place, default_port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_give_host_port_user_and_path() {
        let table = [
            ("redis://127.0.0.1", ("", "127.0.0.1", 6379, "")),
            ("redis://:p%40ss@cache:7000/3", ("", "cache", 7000, "3")),
            (
                "postgres://me:a@b@db/app?sslmode=disable",
                ("me", "db", 6379, "app"),
            ),
            ("redis://[::1]:9", ("", "::1", 9, "")),
            ("postgres:///app", ("", "localhost", 6379, "app")),
        ];
        for (text, expected) in table {
            let url = Url::parse(text, 6379).expect(text);
            let got = (
                url.user.as_str(),
                url.host.as_str(),
                url.port,
                url.path.as_str(),
            );
            assert_eq!(got, expected, "{text}");
        }
        for bad in ["", "127.0.0.1:6379", "redis://host:port", "redis://[::1"] {
            assert_eq!(Url::parse(bad, 1), None, "{bad}");
        }
    }
}
