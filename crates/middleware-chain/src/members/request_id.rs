//! A name for each request.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::{BuildError, Exchange, Flow, Hook, Role};

/// Longer ids are replaced.
const LENGTH_MAX: usize = 128;

/// Gives each request an id, for logs, the service and the client, in the header `x-request-id`.
///
/// One that comes with the request is kept only where [`trusting`](Self::trusting) says so, and only
/// if it is at most 128 of `A-Z a-z 0-9 . _ ~ + / = -`. Ours is 128 bits in hexadecimal: unique, not
/// a secret.
#[derive(Debug)]
pub struct RequestId {
    header: HeaderName,
    trusts: bool,
    seed: RandomState,
    counter: AtomicU64,
}

impl RequestId {
    /// A new id for each request.
    #[must_use]
    pub fn new() -> Self {
        Self {
            header: HeaderName::from_static("x-request-id"),
            trusts: false,
            seed: RandomState::new(),
            counter: AtomicU64::new(0),
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
        self.header = header.map_err(|_invalid| BuildError::InvalidHeaderName(name.to_owned()))?;
        Ok(self)
    }

    fn generate(&self) -> HeaderValue {
        // ORDERING: no number is given twice; nothing else hangs on it.
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let halves = [self.seed.hash_one(count), self.seed.hash_one(!count)];
        let mut id = [0; 32];
        let bytes = halves.iter().flat_map(|half| half.to_be_bytes());
        for (byte, digits) in bytes.zip(id.chunks_exact_mut(2)) {
            let digit = |digit: u8| b"0123456789abcdef"[usize::from(digit)];
            digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        // One allocation for all three that share it: request, answer and log.
        let id = Bytes::from_owner(id);
        HeaderValue::from_maybe_shared(id).expect("hexadecimal digits are allowed")
    }

    fn inbound(&self, cx: &Exchange) -> Option<HeaderValue> {
        let mut values = cx.request().headers.get_all(&self.header).iter();
        let id = values.next().filter(|_| self.trusts)?;
        (values.next().is_none() && is_well_formed(id.as_bytes())).then(|| id.clone())
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
        let id = self.inbound(cx).unwrap_or_else(|| self.generate());
        let headers = &mut cx.request_mut().headers;
        headers.insert(&self.header, id.clone());
        cx.set_request_id(id);
        Flow::Continue(())
    }

    fn after(&self, (): &mut (), cx: &mut Exchange) {
        let id = cx.request_id_value().cloned();
        if let (Some(id), Some(response)) = (id, cx.response_mut()) {
            response.headers.insert(&self.header, id);
        }
    }

    fn role(&self) -> Role {
        Role::RequestId
    }
}

fn is_well_formed(id: &[u8]) -> bool {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._~+/=-".contains(byte);
    (1..=LENGTH_MAX).contains(&id.len()) && id.iter().all(is_allowed)
}
