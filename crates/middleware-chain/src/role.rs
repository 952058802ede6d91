//! What a member is to the rules of order.

/// What a member is to [`Chain::check`](crate::Chain::check).
///
/// A middleware of yours takes part in the rules by saying that it is, for example, a `Timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// No rule knows it.
    Other,
    /// Finds the address of the client.
    ClientAddr,
    /// Names the request.
    RequestId,
    /// Continues or begins a trace.
    Trace,
    /// Writes a line for each request.
    AccessLog,
    /// Counts and times requests.
    Metrics,
    /// Renders errors.
    ProblemJson,
    /// Turns a panic into an error.
    CatchPanic,
    /// Bounds the requests under way, and refuses at once.
    Concurrency,
    /// Bounds the requests under way, and lets others wait.
    Queue,
    /// Bounds the time.
    Timeout,
    /// Bounds the body.
    BodyLimit,
    /// Checks the host.
    HostCheck,
    /// Carries the route out of the router.
    RouteTag,
    /// Finds out who asks.
    Auth,
}

impl Role {
    /// Sees every request, and wants to see what becomes of it.
    pub(crate) const fn observes(self) -> bool {
        matches!(self, Self::Trace | Self::AccessLog | Self::Metrics)
    }

    /// Can answer in place of what is inside.
    pub(crate) const fn refuses(self) -> bool {
        matches!(
            self,
            Self::Concurrency
                | Self::Queue
                | Self::Timeout
                | Self::BodyLimit
                | Self::HostCheck
                | Self::Auth
        )
    }
}
