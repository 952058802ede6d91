//! What a client may hold, and for how long.

use std::time::Duration;

/// The bounds of a [`Server`](super::Server). Each default suits an API behind a load balancer.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time: 1024. More than that wait in the listener's backlog.
    pub connections_max: usize,
    /// The time from one request's end to the next one's last header, also before the first
    /// request: 10 s.
    pub header_timeout: Duration,
    /// The size of a request's line and headers together: 64 KiB.
    pub header_bytes_max: usize,
    /// The pause between two pieces of a request body: 10 s.
    pub body_idle_timeout: Duration,
    /// How long a client may leave an answer unread while there is more of it to send: 30 s.
    pub write_timeout: Duration,
    /// How long the requests that are under way may take to finish after the stop: 10 s.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            header_timeout: Duration::from_secs(10),
            header_bytes_max: 64 * 1_024,
            body_idle_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
