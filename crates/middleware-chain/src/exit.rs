//! How a request ended.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use crate::Exchange;

/// How a request ended. Each ends in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// All of the answer was taken.
    Complete,
    /// The client went away, or the request was cancelled, before that.
    Aborted,
    /// A deadline passed.
    Timeout,
    /// Something panicked.
    Panic,
    /// A middleware, the service or the body failed.
    Error,
    /// There was too much to do.
    Shed,
    /// The connection speaks another protocol from here on.
    Upgraded,
}

impl Outcome {
    /// One lower-case word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Aborted => "aborted",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
            Self::Error => "error",
            Self::Shed => "shed",
            Self::Upgraded => "upgraded",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// All that is known of a request once it is over: after the last byte of its answer, or when there
/// will be no more of them.
#[derive(Debug)]
pub struct Exit<'a> {
    exchange: &'a Exchange,
    outcome: Outcome,
    bytes_out: u64,
    /// Now, and how long after the beginning that is, if somebody has asked for it: read once for all.
    over: Option<(Instant, Duration)>,
}

impl<'a> Exit<'a> {
    pub(crate) fn new(exchange: &'a Exchange, outcome: Outcome, bytes_out: u64) -> Self {
        Self {
            exchange,
            outcome,
            bytes_out,
            over: exchange.began().map(|began| {
                let now = Instant::now();
                (now, now.duration_since(began))
            }),
        }
    }

    /// How it ended.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The status, unless it ended before there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.exchange.status_sent()
    }

    /// Bytes of the request's body that were read.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.exchange.bytes_in()
    }

    /// Bytes of the answer's body that were taken.
    #[must_use]
    pub const fn bytes_out(&self) -> u64 {
        self.bytes_out
    }

    /// From the first call of [`Exchange::started`] to when the answer's head was out and its body
    /// was asked for. An answer that is one frame, or none, is out as a whole: in [`total`](Self::total).
    /// There is none if the request was aborted before that.
    #[must_use]
    pub fn first_byte(&self) -> Option<Duration> {
        self.status()?;
        let is_out = self.outcome != Outcome::Aborted || self.bytes_out > 0;
        let whole = || self.total().filter(|_| is_out);
        self.exchange.first_byte().or_else(whole)
    }

    /// From the first call of [`Exchange::started`] until the request was over.
    #[must_use]
    pub fn total(&self) -> Option<Duration> {
        self.over.map(|(_, total)| total)
    }

    /// When it was over.
    pub(crate) fn now(&self) -> Option<Instant> {
        self.over.map(|(now, _)| now)
    }

    /// The exchange: method, route, client address and request id.
    #[must_use]
    pub const fn exchange(&self) -> &'a Exchange {
        self.exchange
    }
}
