//! The link over which Redis tells of each key that changes.
//!
//! It is a connection of its own, with `CLIENT TRACKING ON BCAST` for all names of the cache, so
//! that it hears of every writer. What is lost with a link that breaks is not told again. So when
//! it is found out that it is down, and when it is up again, every key may have changed.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, PushInfo, PushKind, RedisResult, Value,
};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::name::Names;
use crate::cache::marks::Marks;
use crate::cache::policy::jitter;
use crate::sync::{Mutex, lock};

/// A silent link is asked this often, and given up after that.
const PING_EVERY: Duration = Duration::from_millis(500);
const PING_BOUND: Duration = Duration::from_secs(1);

/// Between two attempts to connect, and up to half of it more by chance.
const PAUSE: Duration = Duration::from_millis(200);

pub(super) struct Link {
    client: Client,
    ear: Arc<Ear>,
    /// For a caller's question to the link.
    budget: Duration,
}

/// What hears. It outlives each connection.
struct Ear {
    names: Names,
    marks: Arc<Marks>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Up if there is one.
    connection: Option<MultiplexedConnection>,
    task: Option<AbortHandle>,
}

impl Link {
    /// `client` has to speak RESP3.
    pub(super) fn new(client: Client, names: Names, marks: Arc<Marks>, budget: Duration) -> Self {
        let state = Mutex::default();
        Self {
            client,
            ear: Arc::new(Ear {
                names,
                marks,
                state,
            }),
            budget,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        lock(&self.ear.state).connection.is_some()
    }

    /// Starts to listen in the background, unless it does already.
    pub(super) fn start(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut state = lock(&self.ear.state);
        // A task that went down with its runtime is another one's to start.
        if state.task.as_ref().is_none_or(AbortHandle::is_finished) {
            let listening = listen(self.client.clone(), Arc::clone(&self.ear));
            state.task = Some(runtime.spawn(listening).abort_handle());
        }
    }

    /// Waits until all was heard that Redis has told before this. False if it was not.
    pub(super) async fn heard(&self) -> bool {
        let connection = lock(&self.ear.state).connection.clone();
        let Some(connection) = connection else {
            return false;
        };
        // Its answer comes after what was told before, over the same connection.
        let is_heard = matches!(timeout(self.budget, ping(connection)).await, Ok(Ok(())));
        if !is_heard {
            // So that nobody else waits for it.
            self.ear.down();
        }
        is_heard
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.ear.state).task.take() {
            task.abort();
        }
    }
}

async fn listen(client: Client, ear: Arc<Ear>) {
    loop {
        let up = Up(Arc::clone(&ear));
        if let Ok(connection) = connect(&client, &ear).await {
            ear.marks.all_changed();
            lock(&ear.state).connection = Some(connection.clone());
            while let ControlFlow::Continue(()) = is_alive(&connection, &ear).await {}
        }
        drop(up);
        sleep(PAUSE + jitter(PAUSE / 2)).await;
    }
}

async fn is_alive(connection: &MultiplexedConnection, ear: &Ear) -> ControlFlow<()> {
    sleep(PING_EVERY).await;
    let is_up = lock(&ear.state).connection.is_some();
    match timeout(PING_BOUND, ping(connection.clone())).await {
        Ok(Ok(())) if is_up => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    }
}

async fn connect(client: &Client, ear: &Arc<Ear>) -> RedisResult<MultiplexedConnection> {
    let hearing = Arc::clone(ear);
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(PING_BOUND))
        .set_response_timeout(Some(PING_BOUND))
        // Called by the task that reads, before it reads on.
        .set_push_sender(move |push| {
            hearing.hear(&push);
            Ok::<_, std::convert::Infallible>(())
        });
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    let connected = timeout(PING_BOUND, connecting).await;
    let slow = |_| Err((ErrorKind::Io, "nobody has answered in time").into());
    let mut connection = connected.unwrap_or_else(slow)?;
    let mut tracking = redis::cmd("CLIENT");
    tracking.arg(&["TRACKING", "ON", "BCAST", "PREFIX"]);
    tracking.arg(ear.names.start());
    answered(&mut connection, &tracking).await?;
    Ok(connection)
}

async fn ping(mut connection: MultiplexedConnection) -> RedisResult<()> {
    answered(&mut connection, &redis::cmd("PING")).await
}

async fn answered(connection: &mut MultiplexedConnection, command: &Cmd) -> RedisResult<()> {
    let answer = connection.send_packed_command(command).await?;
    answer.extract_error().map(drop)
}

impl Ear {
    fn hear(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Invalidate => {}
            PushKind::Disconnection => return self.down(),
            _ => return,
        }
        let Some(Value::Array(names)) = push.data.first() else {
            // All of them, as by FLUSHALL.
            return self.marks.all_changed();
        };
        for name in names {
            let part = match name {
                Value::BulkString(name) => self.names.key_part(name),
                _ => None,
            };
            if let Some(part) = part {
                self.marks.changed(part);
            }
        }
    }

    /// In this order: who sees that it is up takes a mark that is not current any more.
    fn down(&self) {
        let was = lock(&self.state).connection.take();
        if was.is_some() {
            self.marks.all_changed();
        }
    }
}

/// A connection that may be up. It is down when this is dropped, also with its runtime.
struct Up(Arc<Ear>);

impl Drop for Up {
    fn drop(&mut self) {
        self.0.down();
    }
}
