//! A server in the process: what the scripts do, step by step, and what a bad network does to it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::Instant;

use super::format::{Stored, TOKEN};
use super::name::Names;
use super::wire::{Away, Cursor, Fill, Found, Right, State, There, Wire};
use crate::cache::marks::Marks;
use crate::cache::remote::Clock;
use crate::cache::version::{Floor, LAG};

/// What is stored under each name, and until when.
type Data = HashMap<Vec<u8>, (Vec<u8>, Instant)>;

pub(super) struct Server {
    start: Instant,
    data: Mutex<Data>,
    ears: Mutex<Vec<Arc<Ear>>>,
    was_read: AtomicBool,
    starts: AtomicUsize,
}

/// Names that a sweep looks at in one step.
const PAGE: usize = 4;

struct Ear {
    names: Names,
    marks: Arc<Marks>,
    is_up: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    Good,
    /// It is known that there is no answer.
    Closed,
    LosesRequests,
    LosesReplies,
    /// Of a sweep, all but the first.
    LosesNextPages,
}

/// A process's connection.
pub(super) struct Process {
    server: Arc<Server>,
    ear: Arc<Ear>,
    network: Mutex<Network>,
    /// After which it is given up to wait for an answer.
    budget: Mutex<Duration>,
}

impl Server {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            start: Instant::now(),
            data: Mutex::default(),
            ears: Mutex::default(),
            was_read: AtomicBool::new(false),
            starts: AtomicUsize::new(0),
        })
    }

    pub(super) fn connect(self: &Arc<Self>, names: Names, marks: Arc<Marks>) -> Arc<Process> {
        let is_up = AtomicBool::new(true);
        let ear = Arc::new(Ear {
            names,
            marks,
            is_up,
        });
        self.ears.lock().expect("no panic").push(Arc::clone(&ear));
        Arc::new(Process {
            server: Arc::clone(self),
            ear,
            network: Mutex::new(Network::Good),
            budget: Mutex::new(Duration::from_millis(50)),
        })
    }

    /// False if there was nothing to remove, and nobody was told.
    pub(super) fn remove(&self, name: &[u8]) -> bool {
        let is_removed = self.data.lock().expect("no panic").remove(name).is_some();
        if is_removed {
            self.tell(name);
        }
        is_removed
    }

    /// Whether somebody has asked for several keys.
    pub(super) fn was_read(&self) -> bool {
        self.was_read.load(Ordering::SeqCst)
    }

    pub(super) fn names(&self) -> Vec<Vec<u8>> {
        self.data
            .lock()
            .expect("no panic")
            .keys()
            .cloned()
            .collect()
    }

    pub(super) fn change(&self, name: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
        let mut data = self.data.lock().expect("no panic");
        change(&mut data.get_mut(name).expect("it is there").0);
    }

    /// Puts something there that is none of the cache's.
    pub(super) fn put(&self, name: &[u8]) {
        self.set(name, b"x".to_vec(), Duration::from_secs(1_000));
    }

    /// It starts anew, with its data.
    pub(super) fn restart(&self) {
        self.starts.fetch_add(1, Ordering::SeqCst);
    }

    /// Whether it was the last one of a sweep.
    fn page(&self, start: &[u8], at: &mut Cursor) -> bool {
        let server = self.starts.load(Ordering::SeqCst).to_be_bytes();
        if at.server != server {
            let (server, next) = (server.to_vec(), Vec::new());
            *at = Cursor { server, next };
        }
        let mut names = self.names();
        names.retain(|name| *name > at.next);
        names.sort();
        for name in names.iter().take(PAGE) {
            at.next.clone_from(name);
            if name.starts_with(start) {
                self.remove(name);
            }
        }
        names.len() <= PAGE
    }

    fn get(&self, name: &[u8]) -> Vec<u8> {
        let mut data = self.data.lock().expect("no panic");
        data.retain(|_, (_, until)| Instant::now() < *until);
        let stored = data.get(name).map(|(bytes, _)| bytes.clone());
        stored.unwrap_or_default()
    }

    fn set(&self, name: &[u8], bytes: Vec<u8>, kept: Duration) {
        let until = Instant::now() + kept;
        let mut data = self.data.lock().expect("no panic");
        data.insert(name.to_owned(), (bytes, until));
        drop(data);
        self.tell(name);
    }

    fn tell(&self, name: &[u8]) {
        for ear in &*self.ears.lock().expect("no panic") {
            if ear.is_up.load(Ordering::SeqCst)
                && let Some(part) = ear.names.key_part(name)
            {
                ear.marks.changed(part);
            }
        }
    }

    fn now_ms(&self) -> u64 {
        let ms = self.start.elapsed().as_millis();
        1_700_000_000_000 + u64::try_from(ms).expect("not that long")
    }

    fn acquire(&self, name: &[u8], right: Right) -> State {
        let (now, stored) = (self.now_ms(), self.get(name));
        let (mut held_until, mut old) = (0, &stored[..]);
        if stored.first() == Some(&2) {
            let until = stored[17..25].try_into().expect("8 bytes");
            (held_until, old) = (u64::from_be_bytes(until), &stored[25..]);
        }
        let value = Stored::read(old);
        let is_forgotten = value.is_none() && floor(old, now).seen().is_some();
        let value = value.filter(|_| right.there != There::Unreadable);
        let is_sent = old.len() <= right.bounds.bytes;
        if held_until > now {
            let left = Duration::from_millis(held_until - now);
            return State::Theirs { left };
        }
        let is_whole = old == stored && is_sent && right.there != There::Outdated;
        if is_whole && value.is_some_and(|value| right.bounds.is_fresh(&value, now)) {
            return State::Fresh(stored);
        }
        let is_sent = is_sent && value.is_some();
        let is_kept = value.is_some() || is_forgotten;
        let old = if is_kept { old.to_vec() } else { Vec::new() };
        let lasts = u64::try_from(right.lasts.as_millis()).expect("not that long");
        let until = (now + lasts).to_be_bytes();
        let held = [&[2], &right.token.to_be_bytes()[..], &until, &old].concat();
        self.set(name, held, right.lasts.max(Duration::from_secs(60)));
        State::Ours(if is_sent { old } else { Vec::new() })
    }

    fn fill(&self, token: u128, fill: &Fill<'_>) -> bool {
        let stored = self.get(fill.name);
        let held = [&[2], &token.to_be_bytes()[..]].concat();
        if !stored.starts_with(&held) {
            return false;
        }
        let until = stored[17..25].try_into().expect("8 bytes");
        let now = self.now_ms();
        let old = stored[25..].to_vec();
        let version = Stored::read(&fill.value).and_then(|value| value.version);
        let is_held = now < u64::from_be_bytes(until) && floor(&old, now).admits(version);
        if is_held && !fill.value.is_empty() {
            self.set(fill.name, fill.value.clone(), fill.kept);
        } else if old.is_empty() {
            let _ = self.remove(fill.name);
        } else {
            self.set(fill.name, old, Duration::from_secs(60));
        }
        is_held
    }

    fn forget(&self, name: &[u8], seen: Option<u64>) {
        let (now, stored) = (self.now_ms(), self.get(name));
        let is_right = stored.first() == Some(&2);
        let old = if is_right { &stored[25..] } else { &stored[..] };
        if let Some(version) = floor(old, now).seen().max(seen) {
            let until = now + lag_ms();
            let left = [&[4], &version.to_be_bytes()[..], &until.to_be_bytes()].concat();
            self.set(name, left, LAG);
        } else {
            self.set(name, Vec::new(), Duration::from_secs(1));
            self.remove(name);
        }
    }
}

fn lag_ms() -> u64 {
    u64::try_from(LAG.as_millis()).expect("not that long")
}

/// What was seen of what is stored.
fn floor(stored: &[u8], now: u64) -> Floor {
    let number = |at: usize| {
        let bytes = stored.get(at..at + 8).and_then(|it| it.try_into().ok());
        bytes.map(u64::from_be_bytes)
    };
    let floor = match (Stored::read(stored), stored.first()) {
        (Some(value), _) if now < value.stale_until + lag_ms() => value.version.map(Floor::at),
        (None, Some(4)) if number(9).is_some_and(|until| now < until) => {
            number(1).map(Floor::above)
        }
        _ => None,
    };
    floor.unwrap_or_default()
}

impl Process {
    pub(super) fn set(&self, network: Network) {
        *self.network.lock().expect("no panic") = network;
    }

    pub(super) fn set_budget(&self, budget: Duration) {
        *self.budget.lock().expect("no panic") = budget;
    }

    pub(super) fn set_link(&self, is_up: bool) {
        // In the order in which the real one does it.
        if is_up {
            self.ear.marks.all_changed();
        }
        self.ear.is_up.store(is_up, Ordering::SeqCst);
        if !is_up {
            self.ear.marks.all_changed();
        }
    }

    async fn served<T>(&self, serve: impl FnOnce(&Server) -> T) -> Result<T, Away> {
        yield_now().await;
        let network = *self.network.lock().expect("no panic");
        let budget = *self.budget.lock().expect("no panic");
        let lost = async {
            tokio::time::sleep(budget).await;
            Err(Away::Unanswered)
        };
        match network {
            Network::Closed => Err(Away::Unasked),
            Network::LosesRequests => lost.await,
            Network::LosesReplies => {
                serve(&self.server);
                lost.await
            }
            Network::Good | Network::LosesNextPages => {
                let answer = serve(&self.server);
                yield_now().await;
                Ok(answer)
            }
        }
    }
}

fn clock(server: &Server) -> Clock {
    let now = Instant::now();
    Clock {
        ms: server.now_ms(),
        asked: now,
        answered: now,
    }
}

impl Wire for Process {
    async fn acquire(&self, names: &[&[u8]], right: Right) -> Result<(Clock, Vec<State>), Away> {
        self.served(|server| {
            let states = names.iter().map(|name| server.acquire(name, right));
            (clock(server), states.collect())
        })
        .await
    }

    async fn read(&self, names: &[&[u8]], right: Right) -> Result<(Clock, Found), Away> {
        assert!(!names.is_empty(), "Redis refuses to read nothing");
        self.served(|server| {
            server.was_read.store(true, Ordering::SeqCst);
            let stored: Vec<_> = names.iter().map(|name| server.get(name)).collect();
            let found = if stored.iter().all(Vec::is_empty) {
                for name in names {
                    server.acquire(name, right);
                }
                Found::Nothing
            } else {
                Found::Bytes(stored.into_iter().map(Some).collect())
            };
            (clock(server), found)
        })
        .await
    }

    async fn fill(&self, token: u128, fills: &[Fill<'_>]) -> Result<Vec<bool>, Away> {
        self.served(|server| fills.iter().map(|fill| server.fill(token, fill)).collect())
            .await
    }

    async fn tokens(&self, names: &[&[u8]]) -> Result<Vec<Option<u128>>, Away> {
        self.served(|server| {
            let tokens = names.iter().map(|name| {
                let stored = server.get(name);
                let bytes = stored.get(TOKEN)?.try_into().ok()?;
                Some(u128::from_be_bytes(bytes))
            });
            tokens.collect()
        })
        .await
    }

    async fn forget(&self, names: &[(Vec<u8>, Option<u64>)]) -> Result<(), Away> {
        self.served(|server| {
            for (name, seen) in names {
                server.forget(name, *seen);
            }
        })
        .await
    }

    async fn sweep(&self, start: &[u8], at: &mut Cursor) -> Result<(), Away> {
        for pages in 0.. {
            if pages == 1 && *self.network.lock().expect("no panic") == Network::LosesNextPages {
                return Err(Away::Unanswered);
            }
            let page = self.served(|server| server.page(start, at));
            if page.await? {
                break;
            }
        }
        Ok(())
    }

    fn is_heard(&self) -> bool {
        self.ear.is_up.load(Ordering::SeqCst)
    }

    fn listen(&self) {}

    async fn heard(&self) -> bool {
        yield_now().await;
        self.is_heard()
    }
}
