//! A TCP proxy that breaks the connections through it.

mod connection;
mod link;
mod pump;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::{oneshot, watch};

use self::connection::Connection;
pub use self::link::Link;

/// After a failed `accept`, for instance when descriptors have run out.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// A TCP proxy on loopback, with a [`Link`] that can be changed while connections live.
///
/// It runs on a thread of its own and on real time: a test that blocks, or pauses tokio's clock,
/// does not hold it up. It buffers at most a quarter of a MiB per connection and direction. When
/// it is dropped, all its connections are closed.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
/// use testkit::{Link, Proxy};
///
/// # fn main() -> std::io::Result<()> {
/// let server = TcpListener::bind("127.0.0.1:0")?;
/// let proxy = Proxy::to(server.local_addr()?)?;
///
/// let mut client = TcpStream::connect(proxy.addr())?;
/// let (mut served, _) = server.accept()?;
/// served.write_all(b"hello")?;
/// client.read_exact(&mut [0; 5])?;
///
/// proxy.set(Link::Fin);
/// assert_eq!(client.read(&mut [0; 5])?, 0, "closed in good order");
/// assert_eq!(proxy.accepted(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    accepted: Arc<AtomicU64>,
    control: watch::Sender<Control>,
    /// Both are `None` once dropped.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What all connections obey.
#[derive(Debug, Clone, Copy, Default)]
struct Control {
    link: Link,
    /// Grows with each change, so that setting the same link again starts it anew.
    epoch: u64,
    /// Connections with a lower number are dead.
    orphans_below: u64,
}

impl Proxy {
    /// Starts a proxy to a server, which need not run yet.
    ///
    /// # Errors
    ///
    /// When there is no port or no thread to be had.
    pub fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let accepted = Arc::default();
        let (control, controlled) = watch::channel(Control::default());
        let (stop, stopped) = oneshot::channel();
        let serving = serve(listener, server, Arc::clone(&accepted), controlled);
        let thread = thread::Builder::new()
            .name("testkit-proxy".to_owned())
            .spawn(|| run_until(stopped, serving))?;
        Ok(Self {
            addr,
            accepted,
            control,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// As [`to`](Self::to), for the server in a URL: returns the URL that leads through the proxy too.
    ///
    /// # Errors
    ///
    /// As [`to`](Self::to), and if the URL names no host with a port, or one that nobody knows.
    ///
    /// # Examples
    ///
    /// ```
    /// use testkit::Proxy;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (proxy, through) = Proxy::before("redis://me:secret@127.0.0.1:6379/1")?;
    /// assert_eq!(through, format!("redis://me:secret@{}/1", proxy.addr()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn before(url: &str) -> io::Result<(Self, String)> {
        let unknown = || io::Error::other("no host with a port, as in redis://127.0.0.1:6379");
        let (scheme, rest) = url.split_once("://").ok_or_else(unknown)?;
        let authority = rest.split(['/', '?']).next().unwrap_or(rest);
        let (user, place) = match authority.rsplit_once('@') {
            Some((user, place)) => (format!("{user}@"), place),
            None => (String::new(), authority),
        };
        let server = place.to_socket_addrs()?.next().ok_or_else(unknown)?;
        let proxy = Self::to(server)?;
        let path = &rest[authority.len()..];
        let through = format!("{scheme}://{user}{}{path}", proxy.addr());
        Ok((proxy, through))
    }

    /// Where to connect instead of to the server.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Makes the link another one, for the connections there are and for new ones.
    pub fn set(&self, link: Link) {
        self.control.send_modify(|control| {
            control.link = link;
            control.epoch += 1;
        });
    }

    /// Lets the connections there are die without telling anybody, as when a firewall on the way
    /// has forgotten them: no byte passes any more, and no end of file. New ones are fine.
    pub fn orphan(&self) {
        let accepted = self.accepted();
        self.control.send_modify(|control| {
            control.orphans_below = accepted;
            control.epoch += 1;
        });
    }

    /// How many connections were accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Runs a future on a runtime of its own, until it is stopped by the drop of the proxy.
fn run_until(stopped: oneshot::Receiver<()>, serving: impl Future<Output = io::Result<()>>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime needs one descriptor or two");
    runtime.block_on(async {
        tokio::select! {
            served = serving => served.expect("a listener that is bound can be registered"),
            _ = stopped => {}
        }
    });
}

async fn serve(
    listener: StdListener,
    server: SocketAddr,
    accepted: Arc<AtomicU64>,
    control: watch::Receiver<Control>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let number = accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(Connection::new(number, control.clone()).run(client, server));
            }
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN_AFTER).await,
        }
    }
}
