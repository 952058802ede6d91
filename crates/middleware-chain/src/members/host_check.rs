//! For whom a request is meant.

use bytes::Bytes;
use http::header::HOST;
use http::uri::Authority;
use http::{Response, StatusCode, Version};

use crate::{Exchange, Flow, Hook, Role};

/// Refuses a request that names no host, several hosts, or, if you say which are yours, a foreign
/// one: 400 and 421. Links and caches that are made from the host cannot be poisoned then.
#[derive(Debug, Clone, Default)]
pub struct HostCheck {
    hosts: Vec<String>,
}

impl HostCheck {
    /// Any one host will do.
    #[must_use]
    pub const fn any() -> Self {
        Self { hosts: Vec::new() }
    }

    /// Only these will do, on any port.
    pub fn only<'a>(hosts: impl IntoIterator<Item = &'a str>) -> Self {
        let hosts = hosts.into_iter().map(str::to_ascii_lowercase);
        Self {
            hosts: hosts.collect(),
        }
    }

    fn verdict(&self, cx: &Exchange) -> std::result::Result<(), StatusCode> {
        let request = cx.request();
        let mut named = request.headers.get_all(HOST).iter();
        let header = match named.next() {
            Some(host) => {
                let host = Authority::try_from(host.as_bytes());
                Some(host.map_err(|_invalid| StatusCode::BAD_REQUEST)?)
            }
            None => None,
        };
        let target = request.uri.authority();
        let host = match (header.as_ref(), target) {
            _ if named.next().is_some() => return Err(StatusCode::BAD_REQUEST),
            // RFC 9113, section 8.3.1: they must not differ where both are.
            (Some(header), Some(target)) if header != target => {
                return Err(StatusCode::BAD_REQUEST);
            }
            (Some(host), _) | (None, Some(host)) => host,
            // HTTP/1.0 knew no hosts.
            (None, None) if request.version <= Version::HTTP_10 && self.hosts.is_empty() => {
                return Ok(());
            }
            (None, None) => return Err(StatusCode::BAD_REQUEST),
        };
        let is_ours = |ours: &String| ours.eq_ignore_ascii_case(host.host());
        if self.hosts.is_empty() || self.hosts.iter().any(is_ours) {
            return Ok(());
        }
        Err(StatusCode::MISDIRECTED_REQUEST)
    }
}

impl Hook for HostCheck {
    type State = ();

    fn before(&self, (): &mut (), cx: &mut Exchange) -> Flow {
        match self.verdict(cx) {
            Ok(()) => Flow::Continue(()),
            Err(status) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = status;
                Flow::Break(response)
            }
        }
    }

    fn role(&self) -> Role {
        Role::HostCheck
    }
}
