//! A connection that is replaced when it goes dead.
//!
//! A flow that a firewall or a NAT has forgotten swallows requests for ever, and no client of
//! Redis for Rust notices (redis-rs#2277): to it, a request without an answer is one that takes
//! long. So the first one that is given up on sends a PING after it, and a PING without an answer
//! within the same time replaces the connection; so do three requests given up on in a row. One
//! that may wait for longer than a second does so after that, and goes on waiting until there is
//! another connection over which the server, or who has taken its place in a cluster, answers so much
//! faster that the first one is dead.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, RedisError, RedisResult};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

#[cfg(feature = "cluster")]
use super::address::Address;
use super::losses::{Identity, Losses};
use super::origin::Origin;
use crate::observe;

/// Requests given up on in a row after which nobody waits for the PING.
const SILENCES_MAX: u32 = 3;

/// Between two attempts to connect, and up to half of it more by chance, so that the processes
/// of a fleet do not knock all at once.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// A server that takes longer to say hello is not there.
const CONNECT_BOUND: Duration = Duration::from_secs(1);

/// Requests that wait to be written. The client's own default of 50 is a bottleneck.
const QUEUE: usize = 1_024;

/// A clone is another handle to the same connection.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    origin: Origin,
    #[cfg(feature = "cluster")]
    address: Option<Address>,
    status: watch::Sender<Status>,
    identity: Identity,
}

#[derive(Debug, Clone)]
enum Status {
    Down {
        until: Instant,
        cause: Option<RedisError>,
    },
    Connecting {
        /// Why the last attempt has failed.
        cause: Option<RedisError>,
    },
    Up(Link),
}

/// One connection, as long as it works.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    next_attempt: Instant,
    /// Until the server had said hello.
    pub(super) took: Duration,
    silences: Arc<AtomicU32>,
}

impl Guard {
    /// Connects when it is first used.
    pub(super) fn new(origin: Origin, losses: &Arc<Losses>) -> Self {
        let until = Instant::now();
        let (status, _) = watch::channel(Status::Down { until, cause: None });
        let inner = Inner {
            #[cfg(feature = "cluster")]
            address: origin.address(),
            origin,
            status,
            identity: Identity::new(losses),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    pub(super) fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    #[cfg(feature = "cluster")]
    pub(super) fn address(&self) -> Option<&Address> {
        self.inner.address.as_ref()
    }

    #[cfg(feature = "cluster")]
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The connection, if there is one.
    pub(super) fn link_if_up(&self) -> Option<Link> {
        match &*self.inner.status.borrow() {
            Status::Up(link) => Some(link.clone()),
            Status::Down { .. } | Status::Connecting { .. } => None,
        }
    }

    /// Why there is no connection, as far as an attempt has found out.
    pub(super) fn last_failure(&self) -> Option<RedisError> {
        match &*self.inner.status.borrow() {
            Status::Down { cause, .. } | Status::Connecting { cause } => cause.clone(),
            Status::Up(_) => None,
        }
    }

    /// The connection, as soon as there is one. The attempt goes on when the caller does not wait
    /// for it, and an attempt that has just failed is told instead of made again.
    pub(super) async fn link(&self) -> Result<Link, RedisError> {
        let mut status = self.inner.status.subscribe();
        loop {
            let next_attempt = match &*status.borrow_and_update() {
                Status::Up(link) => return Ok(link.clone()),
                Status::Down { until, cause } => match cause {
                    Some(cause) if *until > Instant::now() => return Err(cause.clone()),
                    Some(_) | None => *until,
                },
                Status::Connecting { .. } => Instant::now(),
            };
            sleep_until(next_attempt).await;
            self.connect_unless_connecting();
            // This guard holds a sender, so the channel is not closed.
            let _ = status.changed().await;
        }
    }

    fn connect_unless_connecting(&self) {
        let is_first = self.inner.status.send_if_modified(|status| match status {
            Status::Down { until, cause } if *until <= Instant::now() => {
                let cause = cause.take();
                *status = Status::Connecting { cause };
                true
            }
            _ => false,
        });
        if is_first {
            // Made here, so that it ends also if its task is dropped before it has run.
            let attempt = Attempt::new(self);
            tokio::spawn(self.clone().connect(attempt));
        }
    }

    async fn connect(self, attempt: Attempt) {
        let until = attempt.next_attempt;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_BOUND))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        let began = Instant::now();
        match within_the_bound(self.inner.origin.connect(&config)).await {
            Ok(connection) => {
                attempt.status().send_replace(Status::Up(Link {
                    connection: connection.clone(),
                    next_attempt: until,
                    took: began.elapsed(),
                    silences: Arc::default(),
                }));
                observe::connected();
                // Over: the next one may begin while it is asked who the server is.
                drop(attempt);
                // It holds the connection, so it must come to an end also if nobody answers.
                let _ = timeout(CONNECT_BOUND, self.inner.identity.note(connection)).await;
            }
            Err(cause) => {
                let cause = Some(cause);
                attempt.status().send_replace(Status::Down { until, cause });
            }
        }
    }

    /// A request over this link waits for longer than a healthy one lets it.
    pub(super) fn suspect(&self, link: &Link, patience: Duration) {
        // ORDERING: Relaxed, see `answered`.
        let (silences, none, one) = (&link.silences, 0, 1);
        let is_first = silences.compare_exchange(none, one, Ordering::Relaxed, Ordering::Relaxed);
        if is_first.is_ok() {
            self.spawn_probe(link, patience);
        }
    }

    /// Waits until this connection is not the one that is used any more.
    pub(super) async fn given_up_on(&self, link: &Link) {
        let mut status = self.inner.status.subscribe();
        let is_other = |status: &Status| !matches!(status, Status::Up(it) if it.is(link));
        // This guard holds a sender, so the channel is not closed.
        let _ = status.wait_for(is_other).await;
    }

    /// Waits until there is another connection than this one, and says how long that took to be
    /// made.
    pub(super) async fn another(&self, link: &Link) -> Duration {
        let mut status = self.inner.status.subscribe();
        loop {
            let next_attempt = match &*status.borrow_and_update() {
                Status::Up(current) if !current.is(link) => return current.took,
                Status::Up(_) | Status::Connecting { .. } => None,
                Status::Down { until, .. } => Some(*until),
            };
            if let Some(next_attempt) = next_attempt {
                sleep_until(next_attempt).await;
                self.connect_unless_connecting();
            }
            // This guard holds a sender, so the channel is not closed.
            let _ = status.changed().await;
        }
    }

    /// A request over this link was given up on after `patience`.
    pub(super) fn given_up(&self, link: &Link, patience: Duration) {
        // ORDERING: Relaxed, see `answered`.
        let silences = link.silences.fetch_add(1, Ordering::Relaxed) + 1;
        if silences >= SILENCES_MAX {
            self.replace(link);
        } else if silences == 1 {
            self.spawn_probe(link, patience);
        }
    }

    fn spawn_probe(&self, link: &Link, patience: Duration) {
        tokio::spawn(self.clone().probe(link.clone(), patience));
    }

    async fn probe(self, mut link: Link, patience: Duration) {
        let ping = redis::cmd("PING");
        match timeout(patience, link.connection.send_packed_command(&ping)).await {
            Ok(Ok(_)) => link.answered(),
            Ok(Err(_)) | Err(_) => self.replace(&link),
        }
    }

    /// Drops the link, unless another one has taken its place already.
    pub(super) fn replace(&self, link: &Link) {
        self.inner.status.send_if_modified(|status| {
            let is_current = matches!(status, Status::Up(current) if current.is(link));
            if is_current {
                let until = link.next_attempt;
                *status = Status::Down { until, cause: None };
            }
            is_current
        });
    }
}

impl Link {
    /// A request over this link was answered, whatever the answer.
    pub(super) fn answered(&self) {
        // ORDERING: Relaxed. The counter guards no other memory, and one silence
        // more or less only moves the moment of a replacement.
        if self.silences.load(Ordering::Relaxed) > 0 {
            self.silences.store(0, Ordering::Relaxed);
        }
    }

    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.silences, &other.silences)
    }
}

/// An attempt to connect, which comes to an end in any case: if its runtime shuts down meanwhile,
/// another one's request can make the next attempt.
struct Attempt {
    guard: Guard,
    next_attempt: Instant,
}

impl Attempt {
    fn new(guard: &Guard) -> Self {
        let pause = BETWEEN_ATTEMPTS + jitter(BETWEEN_ATTEMPTS / 2);
        Self {
            guard: guard.clone(),
            next_attempt: Instant::now() + pause,
        }
    }

    fn status(&self) -> &watch::Sender<Status> {
        &self.guard.inner.status
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.status().send_if_modified(|status| {
            let is_abandoned = matches!(status, Status::Connecting { .. });
            if is_abandoned {
                let until = self.next_attempt;
                *status = Status::Down { until, cause: None };
            }
            is_abandoned
        });
    }
}

/// Finding the server, greeting it and asking who it is, all together.
async fn within_the_bound<T>(connecting: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let connected = timeout(CONNECT_BOUND, connecting).await;
    connected.unwrap_or_else(|_| Err((ErrorKind::Io, "nobody has answered in time").into()))
}

/// Up to `most`, by chance: the standard library's hasher is seeded from the system.
pub(super) fn jitter(most: Duration) -> Duration {
    let chance = RandomState::new().hash_one(0) % 1_000;
    most * u32::try_from(chance).expect("below 1000") / 1_000
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};

    use redis::{ConnectionInfo, IntoConnectionInfo};

    use super::*;

    /// Greets, and says nothing more.
    fn greet(mut client: TcpStream) -> std::io::Result<()> {
        for line in BufReader::new(client.try_clone()?).lines() {
            match &*line? {
                "INFO" => break,
                "CLIENT" => client.write_all(b"+OK\r\n")?,
                _ => {}
            }
        }
        std::thread::sleep(10 * CONNECT_BOUND);
        Ok(())
    }

    /// Greets who connects first, and is silent to the others. It ends with the test's process.
    fn server() -> ConnectionInfo {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("redis://{}", listener.local_addr().expect("it is bound"));
        std::thread::spawn(move || {
            let mut clients = listener.incoming().flatten();
            let first = clients.next().expect("a client");
            std::thread::spawn(move || greet(first));
            clients.collect::<Vec<_>>()
        });
        url.into_connection_info().expect("a URL")
    }

    #[tokio::test]
    async fn a_server_that_does_not_say_who_it_is_does_not_end_the_next_attempt() {
        let guard = Guard::new(Origin::At(server()), &Arc::default());
        let link = guard.link().await.expect("it was greeted");
        guard.replace(&link);
        // It begins while the first connection is asked who serves it, and ends after that.
        sleep_until(link.next_attempt).await;
        guard.connect_unless_connecting();
        let mut status = guard.inner.status.subscribe();
        let connecting = matches!(&*status.borrow_and_update(), Status::Connecting { .. });
        assert!(connecting);
        status.changed().await.expect("the guard has the sender");
        let status = status.borrow();
        let has_failed = matches!(&*status, Status::Down { cause: Some(_), .. });
        assert!(has_failed, "{status:?}");
    }
}
