//! What a proxy does to the bytes that pass through it.

use std::time::Duration;

/// What a [`Proxy`](super::Proxy) does to its connections.
///
/// "Requests" are the bytes of whoever connected, "replies" those of the server behind the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Link {
    /// All bytes pass at once.
    #[default]
    Pass,
    /// All bytes pass, each this much later, in both directions.
    Delay(Duration),
    /// This many bytes pass per second, in each direction. 0 counts as 1.
    Throttle(u32),
    /// One byte passes at a time, with a millisecond between two.
    Dribble,
    /// Nothing passes, and nobody is told. What is sent arrives when the link is another one
    /// again, as it does after a cable was put back.
    Blackhole,
    /// Requests pass and are carried out, replies are lost. A stream cannot go on with a hole in
    /// it, so a connection that has lost a reply is reset when the link becomes another one.
    LoseReplies,
    /// Connections, also new ones, are reset: the peer's next call fails with `ECONNRESET`.
    Reset,
    /// Connections, also new ones, are closed in good order: the peer reads an end of file.
    Fin,
    /// Each connection passes this many bytes of replies from now on, and is then closed in good
    /// order where the next one would have been.
    CutReplyAfter(u64),
}
