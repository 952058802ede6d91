//! Bodies, and what bounds them.

mod any;
mod ending;
mod request;
mod response;
mod timer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

pub use any::Body;
pub(crate) use ending::{Ending, Watch};
pub use request::RequestBody;
pub use response::ResponseBody;

/// What members have said about the bodies.
#[derive(Debug, Default)]
pub(crate) struct BodyRules {
    /// Bytes of the request's.
    pub(crate) limit: Option<u64>,
    /// Between two frames of the request's.
    pub(crate) request_idle: Option<Duration>,
    /// Between two frames of the response's.
    pub(crate) response_idle: Option<Duration>,
    /// A deadline holds for the response's body too.
    pub(crate) has_deadline: bool,
    pub(crate) catches_panics: bool,
}

impl BodyRules {
    pub(crate) const fn concern_the_response(&self) -> bool {
        self.response_idle.is_some() || self.has_deadline || self.catches_panics
    }
}

/// What was read of a request's body: it outlives the chain in a handler's hands.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    bytes: AtomicU64,
    is_over: AtomicBool,
}

impl Meter {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn bytes(&self) -> u64 {
        // ORDERING: a figure for a log; it guards nothing.
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn is_over(&self) -> bool {
        // ORDERING: guards nothing; the handler's answer comes after it.
        self.is_over.load(Ordering::Relaxed)
    }

    /// The new sum.
    fn add(&self, bytes: u64) -> u64 {
        // ORDERING: as in `bytes`.
        self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    fn goes_over(&self) {
        // ORDERING: as in `is_over`.
        self.is_over.store(true, Ordering::Relaxed);
    }
}
