//! A connection that nobody waits for once it has failed to answer.
//!
//! An answer that does not come within the budget, or that says that the server does not work,
//! closes the line: callers are told at once that there is no answer, while one task in the
//! background connects anew, until a PING is answered within the budget. So whoever asks waits for
//! the budget at most once. A flow that a firewall has forgotten, which no client of Redis for Rust
//! notices (redis-rs#2277), heals in the same way.

use std::borrow::Cow;
use std::iter;
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind};
use redis::{ConnectionAddr, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::wire::Away;
use crate::cache::policy::jitter;
use crate::call::{Call, Place};
use crate::sync::{AtomicUsize, Ordering};

/// A server that takes longer to say hello is not there.
const CONNECT_BOUND: Duration = Duration::from_secs(1);

/// Between two attempts, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Requests that wait to be written. The client's own default of 50 is a bottleneck.
const QUEUE: usize = 1_024;

/// A clone is another handle to the same connection.
#[derive(Clone)]
pub(super) struct Line {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    budget: Duration,
    status: watch::Sender<Status>,
    /// Without an answer in between.
    failures: AtomicUsize,
    /// Of the next connection.
    number: AtomicUsize,
}

enum Status {
    /// Nobody is connecting.
    Idle,
    /// For the first time, which is worth a wait.
    Connecting,
    Up(MultiplexedConnection, usize),
    /// It did not answer.
    Closed,
}

impl Line {
    /// Connects when it is first used.
    pub(super) fn new(client: Client, budget: Duration) -> Self {
        let inner = Inner {
            client,
            budget,
            status: watch::Sender::new(Status::Idle),
            failures: AtomicUsize::new(0),
            number: AtomicUsize::new(0),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, Failed> {
        self.ask_until(self.deadline(), command).await
    }

    pub(super) async fn ask_all(&self, commands: &Pipeline) -> Result<Vec<Value>, Failed> {
        self.ask_all_until(self.deadline(), commands).await
    }

    /// That of a question which is asked now, for one that is asked in several steps.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.inner.budget
    }

    pub(super) async fn ask_until(
        &self,
        deadline: Instant,
        command: &Cmd,
    ) -> Result<Value, Failed> {
        let call = || Call::to_redis(|| self.place(), || iter::once(command));
        let ask = async |mut connection: MultiplexedConnection| {
            connection.send_packed_command(command).await
        };
        self.within(deadline, call, ask).await
    }

    pub(super) async fn ask_all_until(
        &self,
        deadline: Instant,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Failed> {
        let count = commands.len();
        let ask = async |mut connection: MultiplexedConnection| {
            connection.send_packed_commands(commands, 0, count).await
        };
        let call = || Call::to_redis(|| self.place(), || commands.cmd_iter());
        self.within(deadline, call, ask).await
    }

    fn place(&self) -> Place<'_> {
        place(&self.inner.client)
    }

    async fn within<T: Answer>(
        &self,
        deadline: Instant,
        call: impl FnOnce() -> Call,
        ask: impl AsyncFnOnce(MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Failed> {
        let (connection, number) = self.connection(deadline).await.ok_or(Failed::UNASKED)?;
        let call = call();
        let answer = call.of(timeout_at(deadline, ask(connection))).await;
        match answer.map(|answer| answer.and_then(T::checked)) {
            Ok(Ok(value)) => {
                // ORDERING: Relaxed. It guards nothing: one more or less is a pause more or less.
                self.inner.failures.store(0, Ordering::Relaxed);
                Ok(value)
            }
            Ok(Err(error)) => {
                call.failed(|| ("_OTHER", error.code().map(Cow::Borrowed)));
                if is_unknown_script(&error) {
                    return Err(Failed::UnknownScript);
                }
                self.close(number);
                Err(Failed::Away(Away::Unanswered))
            }
            Err(_) => {
                call.failed(|| ("timeout", None));
                self.close(number);
                Err(Failed::Away(Away::Unanswered))
            }
        }
    }

    /// The connection, if there is one, or if the first one is there in time.
    async fn connection(&self, deadline: Instant) -> Option<(MultiplexedConnection, usize)> {
        let mut status = self.inner.status.subscribe();
        loop {
            match &*status.borrow_and_update() {
                Status::Up(connection, number) => return Some((connection.clone(), *number)),
                Status::Closed => return None,
                Status::Idle | Status::Connecting => {}
            }
            self.connect_if(|status| matches!(status, Status::Idle), Status::Connecting);
            // The sender is in what this handle shares, so that it is not closed.
            let changed = timeout_at(deadline, status.changed()).await;
            if changed.is_err() {
                self.inner.status.send_if_modified(|status| {
                    let is_first = matches!(status, Status::Connecting);
                    if is_first {
                        *status = Status::Closed;
                    }
                    is_first
                });
                return None;
            }
        }
    }

    /// The connection with this number has not answered.
    fn close(&self, number: usize) {
        // ORDERING: as in `within`.
        self.inner.failures.fetch_add(1, Ordering::Relaxed);
        let is_it = |status: &Status| matches!(status, Status::Up(_, it) if *it == number);
        self.connect_if(is_it, Status::Closed);
    }

    fn connect_if(&self, is_due: impl Fn(&Status) -> bool, meanwhile: Status) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let is_first = self.inner.status.send_if_modified(|status| {
            let is_due = is_due(status);
            if is_due {
                *status = meanwhile;
            }
            is_due
        });
        if is_first {
            // Made here, so that it ends also if its task is dropped before it has run.
            runtime.spawn(connect(Attempt(Arc::downgrade(&self.inner))));
        }
    }
}

/// Where the server is.
pub(super) fn place(client: &Client) -> Place<'_> {
    let (address, port) = match client.get_connection_info().addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            (Some(&host[..]), Some(*port))
        }
        ConnectionAddr::Unix(path) => (path.to_str(), None),
        _ => (None, None),
    };
    Place {
        address,
        port,
        ..Place::default()
    }
}

/// Connects until it has worked, or nobody is left who would use it.
async fn connect(mut attempt: Attempt) {
    let failures = |inner: Arc<Inner>| {
        // ORDERING: as in `within`.
        inner.failures.load(Ordering::Relaxed)
    };
    let mut failures = attempt.0.upgrade().map_or(0, failures);
    loop {
        // What has worked up to now is worth an attempt at once.
        if failures > 1 {
            sleep(pause(failures)).await;
        }
        let Some(inner) = attempt.0.upgrade() else {
            return;
        };
        if let Some(connection) = inner.greeted().await {
            // ORDERING: as in `within`.
            let number = inner.number.fetch_add(1, Ordering::Relaxed);
            inner.status.send_replace(Status::Up(connection, number));
            // If it is closed from now on, there is another attempt.
            attempt.0 = Weak::new();
            return;
        }
        inner.status.send_replace(Status::Closed);
        failures = failures.max(1) + 1;
    }
}

fn pause(failures: usize) -> Duration {
    let doublings = u32::try_from(failures.saturating_sub(2)).unwrap_or(u32::MAX);
    let pause = FIRST_PAUSE
        .saturating_mul(1_u32 << doublings.min(8))
        .min(LONGEST_PAUSE);
    pause / 2 + jitter(pause / 2)
}

impl Inner {
    /// A connection whose server answers in time.
    async fn greeted(&self) -> Option<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_BOUND))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE);
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&config);
        let mut connection = timeout(CONNECT_BOUND, connecting).await.ok()?.ok()?;
        let ping = redis::cmd("PING");
        let answer = timeout(self.budget, connection.send_packed_command(&ping)).await;
        answer.ok()?.and_then(Value::extract_error).ok()?;
        Some(connection)
    }
}

/// Somebody is connecting. If its runtime goes away meanwhile, another one's may try.
struct Attempt(Weak<Inner>);

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.status.send_if_modified(|status| {
                let is_abandoned = !matches!(status, Status::Up(..));
                if is_abandoned {
                    *status = Status::Idle;
                }
                is_abandoned
            });
        }
    }
}

/// Why there is no answer, or that the server has to be sent a script.
#[derive(Clone, Copy)]
pub(super) enum Failed {
    Away(Away),
    UnknownScript,
}

impl Failed {
    const UNASKED: Self = Self::Away(Away::Unasked);
}

/// One answer or several.
trait Answer: Sized {
    /// An error among them is one of all.
    fn checked(self) -> RedisResult<Self>;
}

impl Answer for Value {
    fn checked(self) -> RedisResult<Self> {
        self.extract_error()
    }
}

impl Answer for Vec<Value> {
    fn checked(self) -> RedisResult<Self> {
        self.into_iter().map(Value::extract_error).collect()
    }
}

fn is_unknown_script(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}
