//! A name for each request.

use std::cell::RefCell;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::random::{hex, random};
use crate::{BuildError, Exchange, Flow, Hook, Role};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids are replaced.
const LENGTH_MAX: usize = 128;

/// Of an id of ours: 128 bits in hexadecimal.
const LENGTH: usize = 32;
/// So many ids are made at once, and share an allocation.
const BATCH: usize = 16;

/// Gives each request an id, for logs, the service and the client, in the header `x-request-id`.
///
/// One that comes with the request is kept only where [`trusting`](Self::trusting) says so, and only
/// if it is at most 128 of `A-Z a-z 0-9 . _ ~ + / = -`. Ours is 128 bits in hexadecimal, as good as drawn at
/// random: one does not tell another. It is not meant to be a secret.
#[derive(Debug, Clone)]
pub struct RequestId {
    /// In place of the usual one, which needs not be cloned for each request.
    header: Option<HeaderName>,
    trusts: bool,
}

impl RequestId {
    /// A new id for each request.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            header: None,
            trusts: false,
        }
    }

    /// Keeps a well-formed id that comes with the request, as from a proxy of yours.
    #[must_use]
    pub const fn trusting(mut self) -> Self {
        self.trusts = true;
        self
    }

    /// Uses another header.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidHeaderName`].
    pub fn header(mut self, name: &str) -> Result<Self, BuildError> {
        let header = HeaderName::try_from(name);
        let header = header.map_err(|_invalid| BuildError::InvalidHeaderName(name.to_owned()))?;
        self.header = Some(header);
        Ok(self)
    }

    fn inbound(&self, cx: &Exchange) -> Option<HeaderValue> {
        if !self.trusts {
            return None;
        }
        let headers = &cx.request().headers;
        let values = match &self.header {
            None => headers.get_all(X_REQUEST_ID),
            Some(header) => headers.get_all(header),
        };
        let mut values = values.iter();
        let id = values.next()?;
        (values.next().is_none() && is_well_formed(id.as_bytes())).then(|| id.clone())
    }

    fn write(&self, headers: &mut HeaderMap, id: HeaderValue) {
        match &self.header {
            None => headers.insert(X_REQUEST_ID, id),
            Some(header) => headers.insert(header, id),
        };
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl Hook for RequestId {
    type State = ();

    fn before(&self, (): &mut (), cx: &mut Exchange) -> Flow {
        let id = self.inbound(cx).unwrap_or_else(new_id);
        self.write(&mut cx.request_mut().headers, id.clone());
        cx.set_request_id(id);
        Flow::Continue(())
    }

    fn after(&self, (): &mut (), cx: &mut Exchange) {
        let id = cx.request_id_value().cloned();
        if let (Some(id), Some(response)) = (id, cx.response_mut()) {
            self.write(&mut response.headers, id);
        }
    }

    fn role(&self) -> Role {
        Role::RequestId
    }
}

fn new_id() -> HeaderValue {
    thread_local! {
        static IDS: RefCell<Bytes> = const { RefCell::new(Bytes::new()) };
    }
    let id = IDS.try_with(|ids| {
        let mut ids = ids.borrow_mut();
        if ids.is_empty() {
            *ids = batch();
        }
        ids.split_to(LENGTH)
    });
    // A thread that is about to end has no more of them.
    let id = id.unwrap_or_else(|_| batch().split_to(LENGTH));
    HeaderValue::from_maybe_shared(id).expect("hexadecimal digits are allowed")
}

fn batch() -> Bytes {
    let mut ids = [0; BATCH * LENGTH];
    for half in ids.chunks_exact_mut(LENGTH / 2) {
        hex(&random(), half);
    }
    Bytes::from_owner(ids)
}

fn is_well_formed(id: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(byte);
    (1..=LENGTH_MAX).contains(&id.len()) && id.iter().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::thread;

    use super::*;

    #[test]
    fn no_two_ids_are_the_same_on_whichever_threads() {
        let make = || (0..5 * BATCH).map(|_| new_id()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(make)).collect();
        let ids = threads
            .into_iter()
            .flat_map(|it| it.join().expect("no panic"));
        let ids: HashSet<_> = ids.collect();
        assert_eq!(ids.len(), 4 * 5 * BATCH);
        let is_hex = |id: &HeaderValue| id.as_bytes().iter().all(u8::is_ascii_hexdigit);
        assert!(ids.iter().all(|id| id.len() == LENGTH && is_hex(id)));
    }
}
