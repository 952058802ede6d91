//! One connection through the proxy.

use std::future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::pump::{Direction, End, pump};
use super::{Control, Link};

/// How long a peer may take to close its side of a connection that was closed in good order.
const DRAIN_BOUND: Duration = Duration::from_secs(1);

/// One connection, as the proxy controls it.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    number: u64,
    control: watch::Receiver<Control>,
}

impl Connection {
    pub(super) fn new(number: u64, control: watch::Receiver<Control>) -> Self {
        Self { number, control }
    }

    /// The link now, and its epoch. `None` if the connection is an orphan.
    pub(super) fn link(&mut self) -> Option<(Link, u64)> {
        let control = *self.control.borrow_and_update();
        (self.number >= control.orphans_below).then_some((control.link, control.epoch))
    }

    /// Until the link, or what else is controlled, becomes another one.
    pub(super) async fn changed(&mut self) {
        // The sender has gone together with this task's runtime.
        let _ = self.control.changed().await;
    }

    pub(super) async fn run(mut self, mut client: TcpStream, server: SocketAddr) {
        match self.connect(server).await {
            Ok(mut upstream) => {
                let end = self.relay(&mut client, &mut upstream).await;
                tokio::join!(finish(client, end), finish(upstream, end));
            }
            Err(end) => finish(client, end).await,
        }
    }

    /// Connects to the server as soon as the link lets it through.
    async fn connect(&mut self, server: SocketAddr) -> Result<TcpStream, End> {
        loop {
            match self.link() {
                None => future::pending().await,
                Some((Link::Reset, _)) => return Err(End::Reset),
                Some((Link::Fin, _)) => return Err(End::Closed),
                Some((Link::Blackhole, _)) => self.changed().await,
                Some(_) => break,
            }
        }
        // A reset is the next thing to a refused connection.
        TcpStream::connect(server).await.map_err(|_| End::Reset)
    }

    /// Until both directions have finished, or one of them ends the connection.
    async fn relay(self, client: &mut TcpStream, upstream: &mut TcpStream) -> End {
        // Each byte leaves when it is sent, so that the peer sees what the link does to it.
        if client
            .set_nodelay(true)
            .and(upstream.set_nodelay(true))
            .is_err()
        {
            return End::Reset;
        }
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = upstream.split();
        let mut requests = pin!(pump(
            Direction::Requests,
            self.clone(),
            from_client,
            to_server
        ));
        let mut replies = pin!(pump(Direction::Replies, self, from_server, to_client));
        tokio::select! {
            end = &mut requests => if end == End::Finished { replies.await } else { end },
            end = &mut replies => if end == End::Finished { requests.await } else { end },
        }
    }
}

/// Ends a socket. What fails here fails because the peer has gone, so there is nobody to tell.
async fn finish(mut socket: TcpStream, end: End) {
    if end == End::Reset {
        // Makes the drop send RST instead of FIN.
        let _ = socket.set_zero_linger();
        return;
    }
    let _ = socket.shutdown().await;
    // A socket that is dropped with bytes unread is reset, and that may undo what it has sent.
    let mut nowhere = tokio::io::sink();
    let drained = tokio::io::copy(&mut socket, &mut nowhere);
    let _ = tokio::time::timeout(DRAIN_BOUND, drained).await;
}
