//! What is asked of Redis, in bytes.

use std::time::Duration;

use super::format::Stored;
use crate::cache::remote::Clock;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Away {
    /// It was not asked.
    Unasked,
    /// None has come in time, or one that says that it does not work. What was asked for may be
    /// done all the same, or will be.
    Unanswered,
}

/// What there is of several names.
pub(super) enum Found {
    /// Of each.
    Bytes(Vec<Option<Vec<u8>>>),
    /// Nothing, and the right to load all is ours.
    Nothing,
}

/// A right to load, as it is known to Redis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Right {
    pub(super) token: u128,
    pub(super) lasts: Duration,
    pub(super) there: There,
    pub(super) bounds: Bounds,
}

/// What whoever takes a right knows of what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum There {
    /// Nothing yet.
    Unknown = 0,
    /// It can't be read, and counts as nothing.
    Unreadable = 1,
    /// It is older than what was seen here. It is not fresh, and stays behind the right: others may
    /// have no newer one.
    Outdated = 2,
}

/// What this process takes for a value, and for a fresh one. Another one may have other settings: in
/// the midst of a deployment, say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How long what exists is fresh.
    pub(super) ttl_ms: u64,
    /// How long it is known that something does not exist.
    pub(super) negative_ttl_ms: u64,
    /// A longer one takes too long on its way.
    pub(super) bytes: usize,
}

impl Bounds {
    /// By the clock of the server, at which it is `now`.
    pub(super) fn is_fresh(&self, stored: &Stored<'_>, now: u64) -> bool {
        // What is from the future is from before a clock was set back: nobody knows how old it is.
        stored.filled_at <= now && now < self.fresh_until(stored)
    }

    pub(super) fn fresh_until(&self, stored: &Stored<'_>) -> u64 {
        let ttl = match stored.payload {
            Some(_) => self.ttl_ms,
            None => self.negative_ttl_ms,
        };
        stored.fresh_until.min(stored.filled_at.saturating_add(ttl))
    }
}

/// The state of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Fresh(Vec<u8>),
    /// The right is ours. There may be an old value behind it.
    Ours(Vec<u8>),
    Theirs {
        left: Duration,
    },
}

/// How far a sweep has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Another one, or one that has started anew, has its names elsewhere.
    pub(super) server: Vec<u8>,
    pub(super) next: Vec<u8>,
}

pub(super) struct Fill<'a> {
    pub(super) name: &'a [u8],
    /// Empty to give the right back.
    pub(super) value: Vec<u8>,
    pub(super) kept: Duration,
}

/// The server, or what stands for it in a test. Each call but `sweep` takes a budget of time at
/// the most, and none at all while it is known that there is no answer.
pub(super) trait Wire: Send + Sync + 'static {
    fn acquire(
        &self,
        names: &[&[u8]],
        right: Right,
    ) -> impl Future<Output = Result<(Clock, Vec<State>), Away>> + Send;

    /// For those who ask for several values. These come however long they are. If there is nothing of
    /// any of them, the right to load all is taken.
    fn read(
        &self,
        names: &[&[u8]],
        right: Right,
    ) -> impl Future<Output = Result<(Clock, Found), Away>> + Send;

    /// For each whether the right still held, and what was put in its place is not too old.
    fn fill(
        &self,
        token: u128,
        fills: &[Fill<'_>],
    ) -> impl Future<Output = Result<Vec<bool>, Away>> + Send;

    /// The tokens of what is there.
    fn tokens(
        &self,
        names: &[&[u8]],
    ) -> impl Future<Output = Result<Vec<Option<u128>>, Away>> + Send;

    /// Forgets names, but for the highest version that was seen of each, here or there.
    fn forget(
        &self,
        names: &[(Vec<u8>, Option<u64>)],
    ) -> impl Future<Output = Result<(), Away>> + Send;

    /// Removes whatever has a name that begins so. If it fails it can be called again, and goes on
    /// where it was.
    fn sweep(&self, start: &[u8], at: &mut Cursor)
    -> impl Future<Output = Result<(), Away>> + Send;

    /// Whether changes of keys are heard of.
    fn is_heard(&self) -> bool;

    /// Begins to listen, unless it does already.
    fn listen(&self);

    /// Waits until it was heard of all changes so far. False if that can't be.
    fn heard(&self) -> impl Future<Output = bool> + Send;
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
