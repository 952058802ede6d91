//! What Redis has yet to be told.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::name::Names;
use super::wire::{Fill, Wire};
use crate::cache::policy::jitter;
use crate::sync::{Mutex, lock};

/// Keys that are remembered. If there are more, all that Redis has is taken for outdated.
const KEYS_MAX: usize = 1_024;

/// Rights that are remembered. Others end by themselves.
const RIGHTS_MAX: usize = 1_024;

/// Between two attempts, and up to half of it more by chance.
const PAUSE: Duration = Duration::from_millis(100);

/// Keys that Redis has not forgotten yet, so that it must not be asked for them, and rights that
/// it may have given to somebody who did not hear of it.
pub(super) struct Repairs {
    names: Names,
    /// For so long Redis keeps what is outdated, if it is not told.
    longest_kept: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    outdated: HashMap<Vec<u8>, Outdated>,
    /// Until when all keys are outdated.
    all_until: Option<Instant>,
    /// New ones come at the end, and only the task of the repair takes them.
    rights: Vec<(Vec<u8>, u128)>,
    /// Grows with each key.
    order: u64,
    is_running: bool,
}

#[derive(Clone, Copy)]
struct Outdated {
    order: u64,
    /// Then it has gone by itself.
    until: Instant,
}

/// A moment, to which an answer is later.
#[derive(Clone, Copy)]
pub(super) struct Moment(u64);

impl Repairs {
    pub(super) fn new(names: Names, longest_kept: Duration) -> Self {
        Self {
            names,
            longest_kept,
            state: Mutex::default(),
        }
    }

    /// Whether Redis must not be asked for a key.
    pub(super) fn is_outdated<W: Wire>(self: &Arc<Self>, key: &[u8], wire: &Arc<W>) -> bool {
        let state = lock(&self.state);
        let all = state.all_until.is_some_and(|until| Instant::now() < until);
        let is_outdated = all || state.outdated.contains_key(key);
        // There was no runtime, or it has gone.
        let is_left = state.has_work() && !state.is_running;
        drop(state);
        if is_left {
            self.run(wire);
        }
        is_outdated
    }

    pub(super) fn moment(&self) -> Moment {
        Moment(lock(&self.state).order)
    }

    /// Redis was told of a key, at some time since.
    pub(super) fn told(&self, key: &[u8], since: Moment) {
        let mut state = lock(&self.state);
        let outdated = state.outdated.get(key);
        if outdated.is_some_and(|outdated| outdated.order <= since.0) {
            state.outdated.remove(key);
        }
    }

    /// Redis has to forget a key. It is told in the background.
    pub(super) fn outdated<W: Wire>(self: &Arc<Self>, key: Vec<u8>, wire: &Arc<W>) {
        let until = Instant::now() + self.longest_kept;
        let mut state = lock(&self.state);
        state.order += 1;
        let order = state.order;
        if state.outdated.len() < KEYS_MAX || state.outdated.contains_key(&key) {
            state.outdated.insert(key, Outdated { order, until });
        } else {
            state.all_until = Some(until);
        }
        drop(state);
        self.run(wire);
    }

    /// Nobody will make use of a right that Redis may have given.
    pub(super) fn unused<W: Wire>(self: &Arc<Self>, name: &[u8], token: u128, wire: &Arc<W>) {
        let mut state = lock(&self.state);
        if state.rights.len() < RIGHTS_MAX {
            state.rights.push((name.to_owned(), token));
        }
        drop(state);
        self.run(wire);
    }

    /// Without a runtime it waits for the next question.
    fn run<W: Wire>(self: &Arc<Self>, wire: &Arc<W>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if mem::replace(&mut lock(&self.state).is_running, true) {
            return;
        }
        // Made here, so that it ends also if its task is dropped before it has run.
        let mut running = Running(Some(Arc::clone(self)));
        let wire = Arc::clone(wire);
        runtime.spawn(async move {
            while let Some(repairs) = running.with_work() {
                repairs.repair(&*wire).await;
                sleep(PAUSE + jitter(PAUSE / 2)).await;
            }
        });
    }

    fn has_work(&self) -> bool {
        let now = Instant::now();
        let mut state = lock(&self.state);
        state.outdated.retain(|_, outdated| now < outdated.until);
        state.is_running = state.has_work();
        state.is_running
    }

    async fn repair<W: Wire>(&self, wire: &W) {
        let (keys, rights) = {
            let state = lock(&self.state);
            let keys: Vec<_> = state.outdated.keys().cloned().collect();
            (keys, state.rights.clone())
        };
        for key in keys {
            let since = self.moment();
            if wire.remove(&self.names.neighbours(&key)).await.is_err() {
                return;
            }
            self.told(&key, since);
        }
        for (name, token) in rights {
            let fill = Fill {
                name,
                value: Vec::new(),
                kept: Duration::ZERO,
            };
            if wire.fill(token, &[fill]).await.is_err() {
                return;
            }
            lock(&self.state).rights.remove(0);
        }
    }
}

impl State {
    fn has_work(&self) -> bool {
        !self.outdated.is_empty() || !self.rights.is_empty()
    }
}

/// `None` when it has said that it is over: from then on another one may run.
struct Running(Option<Arc<Repairs>>);

impl Running {
    fn with_work(&mut self) -> Option<&Repairs> {
        self.0 = self.0.take().filter(|repairs| repairs.has_work());
        self.0.as_deref()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(repairs) = &self.0 {
            lock(&repairs.state).is_running = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Server;
    use super::*;
    use crate::cache::marks::Marks;

    #[tokio::test(start_paused = true)]
    async fn who_has_ended_does_not_end_the_next_one() {
        let names = Names::new("test", "rows", 0);
        let wire = Server::new().connect(names.clone(), Arc::new(Marks::new()));
        let repairs = Arc::new(Repairs::new(names, Duration::from_secs(1)));
        let mut first = Running(Some(Arc::clone(&repairs)));
        assert!(first.with_work().is_none());
        repairs.unused(b"test:rows:v0:1", 1, &wire);
        drop(first);
        assert!(lock(&repairs.state).is_running, "a second one would start");
    }
}
