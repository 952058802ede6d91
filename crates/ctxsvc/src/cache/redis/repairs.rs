//! What Redis has yet to be told.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::name::Names;
use super::wire::{Away, Cursor, Fill, Wire};
use crate::cache::policy::jitter;
use crate::sync::{Mutex, lock};

/// Keys that are remembered. If there are more, all keys are outdated until Redis has forgotten all.
const KEYS_MAX: usize = 1_024;

/// Keys that Redis is told of at once.
const KEYS_AT_ONCE: usize = 64;

/// Rights that are remembered. Others end by themselves.
const RIGHTS_MAX: usize = 1_024;

/// Between two attempts, and up to half of it more by chance.
const PAUSE: Duration = Duration::from_millis(100);

/// Keys that Redis has not forgotten yet, so that it must not be asked for them, and rights that
/// it may have given to somebody who did not hear of it.
///
/// A key is outdated until Redis was told, however long that takes: for how long Redis keeps a value
/// is a matter of whoever has filled it.
pub(super) struct Repairs {
    names: Names,
    /// For so long it goes on after nobody is left who would ask.
    longest_kept: Duration,
    state: Mutex<State>,
    /// Redis was told of something, or who would tell it has gone.
    told: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    outdated: HashMap<Vec<u8>, Outdated>,
    all: Option<All>,
    /// Since when the names of all keys are being swept, and how far that is.
    sweep: Option<(Moment, Cursor)>,
    /// New ones come at the end, and only the task of the repair takes them.
    rights: Vec<(Vec<u8>, u128)>,
    /// Grows with each key.
    order: u64,
    /// When something has come last.
    last: Option<Instant>,
    is_running: bool,
}

#[derive(Clone, Copy)]
struct Outdated {
    order: u64,
    /// The highest version that this process has seen.
    seen: Option<u64>,
}

/// All keys are outdated, because there were too many of them.
#[derive(Clone, Copy)]
struct All {
    order: u64,
    /// How many there were.
    keys: usize,
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
            told: watch::Sender::new(()),
        }
    }

    /// Whether Redis must not be asked for a key.
    pub(super) fn is_outdated<W: Wire>(self: &Arc<Self>, key: &[u8], wire: &Arc<W>) -> bool {
        let state = lock(&self.state);
        let is_outdated = state.all.is_some() || state.outdated.contains_key(key);
        drop(state);
        self.resume(wire);
        is_outdated
    }

    /// How many keys are outdated.
    pub(super) fn untold(&self) -> usize {
        lock(&self.state).untold()
    }

    /// Waits until Redis was told of all keys.
    pub(super) async fn all_told<W: Wire>(self: &Arc<Self>, wire: &Arc<W>) {
        let mut told = self.told.subscribe();
        while self.untold() > 0 {
            self.resume(wire);
            // The sender is in this, so that it is not closed.
            let _ = told.changed().await;
        }
    }

    pub(super) fn moment(&self) -> Moment {
        Moment(lock(&self.state).order)
    }

    /// Redis was told of keys, at some time since.
    pub(super) fn told<'a>(&self, keys: impl IntoIterator<Item = &'a Vec<u8>>, since: Moment) {
        let mut state = lock(&self.state);
        for key in keys {
            if state
                .outdated
                .get(key)
                .is_some_and(|it| it.order <= since.0)
            {
                state.outdated.remove(key);
            }
        }
        drop(state);
        self.told.send_replace(());
    }

    /// Redis has to forget a key, but for the version that was seen. It is told in the background.
    pub(super) fn outdated<W: Wire>(
        self: &Arc<Self>,
        key: Vec<u8>,
        seen: Option<u64>,
        wire: &Arc<W>,
    ) {
        lock(&self.state).outdated(key, seen);
        self.run(wire);
    }

    /// Nobody will make use of a right that Redis may have given.
    pub(super) fn unused<W: Wire>(self: &Arc<Self>, name: &[u8], token: u128, wire: &Arc<W>) {
        let mut state = lock(&self.state);
        if state.rights.len() < RIGHTS_MAX {
            state.rights.push((name.to_owned(), token));
            state.last = Some(Instant::now());
        }
        drop(state);
        self.run(wire);
    }

    /// If there is something to do that nobody does: there was no runtime, or it has gone.
    fn resume<W: Wire>(self: &Arc<Self>, wire: &Arc<W>) {
        let state = lock(&self.state);
        let is_left = state.has_work() && !state.is_running;
        drop(state);
        if is_left {
            self.run(wire);
        }
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
                // What could not be told is told in the next round.
                let _ = repairs.repair(&*wire).await;
                sleep(PAUSE + jitter(PAUSE / 2)).await;
            }
        });
    }

    /// Whether there is something to do. If not, this was the end of who has asked.
    fn goes_on(self: &Arc<Self>) -> bool {
        let is_left = Arc::strong_count(self) == 1;
        let mut state = lock(&self.state);
        let last = state.last.filter(|_| is_left);
        let is_over = last.is_some_and(|last| last.elapsed() > self.longest_kept);
        state.is_running = state.has_work() && !is_over;
        state.is_running
    }

    async fn repair<W: Wire>(&self, wire: &W) -> Result<(), Away> {
        let (keys, rights, all) = {
            let state = lock(&self.state);
            let keys = state.outdated.iter();
            let keys: Vec<_> = keys.map(|(key, it)| (key.clone(), it.seen)).collect();
            (keys, state.rights.clone(), state.all)
        };
        for keys in keys.chunks(KEYS_AT_ONCE) {
            let since = self.moment();
            let names = keys.iter().flat_map(|(key, seen)| {
                let names = self.names.neighbours(key).into_iter();
                names.map(|name| (name, *seen))
            });
            wire.forget(&names.collect::<Vec<_>>()).await?;
            self.told(keys.iter().map(|(key, _)| key), since);
        }
        for (name, token) in rights {
            let fill = Fill {
                name: &name,
                value: Vec::new(),
                kept: Duration::ZERO,
            };
            wire.fill(token, &[fill]).await?;
            lock(&self.state).rights.remove(0);
        }
        // The last, because it may be refused.
        if all.is_some() {
            self.sweep(wire).await?;
        }
        Ok(())
    }

    async fn sweep<W: Wire>(&self, wire: &W) -> Result<(), Away> {
        let under_way = lock(&self.state).sweep.take();
        let (since, mut at) = under_way.unwrap_or_else(|| (self.moment(), Cursor::default()));
        let swept = wire.sweep(self.names.start(), &mut at).await;
        if swept.is_ok() {
            self.told_all(since);
        } else {
            lock(&self.state).sweep = Some((since, at));
        }
        swept
    }

    fn told_all(&self, since: Moment) {
        let mut state = lock(&self.state);
        state.all = state.all.filter(|all| all.order > since.0);
        drop(state);
        self.told.send_replace(());
    }
}

impl State {
    fn outdated(&mut self, key: Vec<u8>, seen: Option<u64>) {
        self.order += 1;
        self.last = Some(Instant::now());
        let before = self.outdated.get(&key).and_then(|it| it.seen);
        let (order, seen) = (self.order, seen.max(before));
        self.outdated.insert(key, Outdated { order, seen });
        if self.outdated.len() > KEYS_MAX {
            let keys = self.untold();
            self.outdated.clear();
            self.all = Some(All {
                order: self.order,
                keys,
            });
        }
    }

    fn untold(&self) -> usize {
        self.outdated.len() + self.all.map_or(0, |all| all.keys)
    }

    fn has_work(&self) -> bool {
        self.untold() > 0 || !self.rights.is_empty()
    }
}

/// `None` when it has said that it is over: from then on another one may run.
struct Running(Option<Arc<Repairs>>);

impl Running {
    fn with_work(&mut self) -> Option<&Repairs> {
        self.0 = self.0.take().filter(Repairs::goes_on);
        self.0.as_deref()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(repairs) = &self.0 {
            lock(&repairs.state).is_running = false;
            // Whoever waits in another runtime goes on there.
            repairs.told.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

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

    #[tokio::test(start_paused = true)]
    async fn who_waits_tells_by_itself_when_the_task_has_gone_with_its_runtime() {
        let names = Names::new("test", "rows", 0);
        let wire = Server::new().connect(names.clone(), Arc::new(Marks::new()));
        let repairs = Arc::new(Repairs::new(names, Duration::from_secs(1)));
        let elsewhere = Running(Some(Arc::clone(&repairs)));
        lock(&repairs.state).is_running = true;
        repairs.outdated(b"1".to_vec(), None, &wire);
        let mut waiting = tokio_test::task::spawn(repairs.all_told(&wire));
        assert!(waiting.poll().is_pending());
        drop(elsewhere);
        let told = timeout(Duration::from_secs(10), waiting).await;
        assert!(told.is_ok(), "nobody has told, and who waits was not woken");
    }
}
