//! Whether a server is the one that it was: another one may know less.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use redis::aio::MultiplexedConnection;

use crate::observe;

/// How often a store may have forgotten what it knew.
#[derive(Debug, Default)]
pub(super) struct Losses {
    count: AtomicU64,
}

impl Losses {
    pub(super) fn count(&self) -> u64 {
        // ORDERING: Relaxed. The counter guards no other memory.
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn add_one(&self) {
        // ORDERING: Relaxed, see `count`.
        self.count.fetch_add(1, Ordering::Relaxed);
        observe::state_lost();
    }
}

/// The servers that were met at one place, one after the other.
#[derive(Debug)]
pub(super) struct Identity {
    /// Each process of a server has another one.
    run_id: Mutex<Option<String>>,
    losses: Arc<Losses>,
}

impl Identity {
    pub(super) fn new(losses: &Arc<Losses>) -> Self {
        Self {
            run_id: Mutex::default(),
            losses: Arc::clone(losses),
        }
    }

    /// Asks a new connection's server who it is. A user without the right to ask, or a proxy that
    /// does not tell, is no reason not to go on.
    pub(super) async fn note(&self, mut connection: MultiplexedConnection) {
        let mut info = redis::cmd("INFO");
        let info = info.arg("server").query_async::<String>(&mut connection);
        let Ok(info) = info.await else { return };
        let Some(run_id) = info.lines().find_map(|line| line.strip_prefix("run_id:")) else {
            return;
        };
        let run_id = Some(run_id.to_owned());
        let mut known = self.run_id.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some() && *known != run_id {
            self.losses.add_one();
        }
        *known = run_id;
    }
}
