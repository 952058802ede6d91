//! What the server did, told when it ends.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;

/// Counters that the connections share.
#[derive(Debug, Default)]
pub(super) struct Tally {
    connections: AtomicU64,
    succeeded: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    pub(super) fn connection(&self) {
        // ORDERING: Relaxed here and below. The counters guard no other memory, and they are read
        // after every task that writes them has ended.
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn response(&self, status: StatusCode) {
        let counter = match status.as_u16() {
            ..400 => &self.succeeded,
            400..500 => &self.refused,
            500.. => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed); // ORDERING: see `connection`.
    }

    pub(super) fn summary(&self, drain: Duration, cut: usize) -> Summary {
        // ORDERING: see `connection`.
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Summary {
            connections: read(&self.connections),
            succeeded: read(&self.succeeded),
            refused: read(&self.refused),
            failed: read(&self.failed),
            drain,
            cut,
        }
    }
}

/// What a [`Server`](super::Server) did. Its text is what a person reads after Ctrl-C.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Connections accepted.
    pub connections: u64,
    /// Requests answered with a status below 400.
    pub succeeded: u64,
    /// Requests answered with a status from 400 to 499.
    pub refused: u64,
    /// Requests answered with a status of 500 or more.
    pub failed: u64,
    /// From the stop to the end of the last connection.
    pub drain: Duration,
    /// Connections that were cut off because they did not end in time.
    pub cut: usize,
}

impl Summary {
    /// All requests answered.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.succeeded + self.refused + self.failed
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests on {} connections ({} succeeded, {} refused, {} failed); drained in {:.1} s, {} cut off",
            self.requests(),
            self.connections,
            self.succeeded,
            self.refused,
            self.failed,
            self.drain.as_secs_f64(),
            self.cut
        )
    }
}
