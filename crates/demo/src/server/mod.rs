//! An HTTP server that a hostile client can't hold.
//!
//! hyper parses and frames; this module bounds what hyper leaves open. `axum::serve` has none of
//! these bounds.
//!
//! | what a client may do | the bound | where |
//! |---|---|---|
//! | connect | a number of connections; more wait in the backlog | [`Server::serve`] |
//! | connect and be silent, before the first byte or after an answer | a time | `connection` |
//! | send headers slowly, or many of them | a time and a size | `connection` |
//! | send a body and stop | a time between two frames of it | `guards` |
//! | send a body that never ends | its size and the time for the whole request | each route |
//! | not read its answer | a time, for the socket and for each answer on it | `stream`, `activity` |
//! | name no host, or two | 400 | `guards` |
//! | make a handler panic | 500, and the connection lives on | `guards` |

mod activity;
mod answer;
mod connection;
pub(crate) mod guards;
mod limits;
mod stream;
mod summary;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use middleware_chain::Chain;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Layer;

pub use limits::Limits;
pub use summary::Summary;

use connection::Requests;
use summary::Tally;

/// How long to wait when the process has no descriptor left for a new connection: they become
/// free when other connections end, and to try again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who is connected: an extension of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Serves a router on a listener until told to stop. Each request has a [`Peer`].
///
/// # Examples
///
/// ```
/// use axum::{Router, routing::get};
/// use demo::server::{Limits, Server};
/// use tokio::net::TcpListener;
/// use tokio_util::sync::CancellationToken;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let router = Router::new().route("/", get(async || "hello"));
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let stop = CancellationToken::new();
/// stop.cancel();
/// let summary = Server::new(Limits::default()).serve(listener, router, stop).await;
/// assert_eq!(summary.requests(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Server {
    limits: Limits,
    chain: Chain,
}

impl Server {
    /// A server with these limits, and a chain of what guards any router.
    ///
    /// # Panics
    ///
    /// Never: the chain's names are its own.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let chain = guards::chain(&limits).expect("four members with four names");
        Self { limits, chain }
    }

    /// What each request passes: to be edited, and given back to [`behind`](Self::behind).
    #[must_use]
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Serves behind another chain.
    #[must_use]
    pub fn behind(self, chain: Chain) -> Self {
        Self { chain, ..self }
    }

    /// Serves `router` until `stop` is cancelled, then lets the requests that are under way finish
    /// within [`Limits::drain_timeout`] and cuts off the rest.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, no new connection is accepted, and those that are open go on in tasks of
    /// their own until they end or are idle for too long.
    pub async fn serve(
        self,
        listener: TcpListener,
        router: Router,
        stop: CancellationToken,
    ) -> Summary {
        let tally = Arc::new(Tally::default());
        let slots = Arc::new(Semaphore::new(self.limits.connections_max));
        let connections = TaskTracker::new();
        let kill = CancellationToken::new();
        let service = self.chain.layer(router);

        while let Some((stream, peer, slot)) = next(&listener, &slots, &stop).await {
            tally.connection();
            let requests = Requests {
                service: service.clone(),
                peer: Peer(peer),
                tally: Arc::clone(&tally),
            };
            let serving = connection::serve(stream, requests, self.limits, stop.clone());
            let serving = kill.clone().run_until_cancelled_owned(serving);
            connections.spawn(async move {
                serving.await;
                drop(slot);
            });
        }
        // New clients are refused while the old ones are served to the end.
        drop(listener);

        let drain_started = Instant::now();
        connections.close();
        let drained = timeout(self.limits.drain_timeout, connections.wait()).await;
        let cut = match drained {
            Ok(()) => 0,
            Err(_elapsed) => connections.len(),
        };
        kill.cancel();
        connections.wait().await;
        tally.summary(drain_started.elapsed(), cut)
    }
}

/// The next connection and its slot, or `None` if it is time to stop.
async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let accepting = async {
        let slot = Arc::clone(slots).acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, slot)),
                Err(error) => refused(&error).await,
            }
        }
    };
    stop.run_until_cancelled(accepting).await.flatten()
}

async fn refused(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    // The client has gone before its turn came: nothing is wrong here.
    if !matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    ) {
        tracing::error!(error = error as &dyn std::error::Error, "accept failed");
        sleep(ACCEPT_PAUSE).await;
    }
}
