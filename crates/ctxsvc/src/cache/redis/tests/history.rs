//! Two processes, whose calls overlap as they like, while the network loses what it likes.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Network, Node, Rows, Server, TTL, UNHEARD_FOR, ms, node};
use crate::{Ctx, Source};

const KEYS: u32 = 3;

#[derive(Debug, Clone)]
enum Event {
    Get(u32),
    GetMany,
    Update(u32),
    /// Somebody else writes, and deletes the key in Redis.
    Foreign(u32),
    Network(Network),
    Link(bool),
    Loads(Duration),
}

/// What was seen of a row.
#[derive(Debug, Clone)]
struct Seen {
    process: usize,
    key: u32,
    value: u64,
    called: Instant,
    returned: Instant,
}

#[derive(Debug, Clone)]
struct Written {
    /// None is somebody else.
    process: Option<usize>,
    key: u32,
    value: u64,
    returned: Instant,
    invalidated: bool,
    /// Whether those whose link is up were told.
    is_told: bool,
}

#[derive(Default)]
struct History {
    seen: Mutex<Vec<Seen>>,
    written: Mutex<Vec<Written>>,
    /// Since when each link has been up.
    links: Mutex<Vec<(usize, bool, Instant)>>,
    sources: Mutex<Vec<Source>>,
}

#[test]
fn no_read_is_older_than_an_update_of_its_process_or_than_the_bound_of_another_one() {
    let network = prop_oneof![
        4 => Just(Network::Good),
        1 => Just(Network::Closed),
        1 => Just(Network::LosesRequests),
        1 => Just(Network::LosesReplies),
    ];
    let event = prop_oneof![
        12 => (0..KEYS).prop_map(Event::Get),
        2 => Just(Event::GetMany),
        4 => (0..KEYS).prop_map(Event::Update),
        1 => (0..KEYS).prop_map(Event::Foreign),
        2 => network.prop_map(Event::Network),
        1 => any::<bool>().prop_map(Event::Link),
        1 => (0..300_u64).prop_map(|it| Event::Loads(ms(it))),
    ];
    let pause = prop_oneof![4 => Just(0), 4 => 0..20_u64, 1 => 0..1_500_u64];
    let steps = prop::collection::vec((pause, 0..2_usize, event), 1..60);
    let reached = [const { Cell::new(0_usize) }; 4];
    let tested = TestRunner::default().run(&steps, |steps| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(play(steps, &reached))
    });
    tested.unwrap_or_else(|failed| panic!("{failed}"));
    // Read from memory, Redis and the database; and while it mattered that another one had written.
    println!("{reached:?}");
    assert!(reached.iter().all(|times| times.get() > 300), "{reached:?}");
}

async fn play(steps: Vec<(u64, usize, Event)>, reached: &[Cell<usize>; 4]) -> TestCaseResult {
    let (server, rows) = (Server::new(), Rows::default());
    let nodes = Arc::new([node(&server, &rows), node(&server, &rows)]);
    let (history, mut tasks) = (Arc::new(History::default()), JoinSet::new());
    let mut at = Instant::now();
    for (pause, process, event) in steps {
        at += ms(pause);
        sleep_until(at).await;
        let (nodes, rows) = (Arc::clone(&nodes), rows.clone());
        let (server, history) = (Arc::clone(&server), Arc::clone(&history));
        tasks.spawn(async move {
            match event {
                Event::Network(network) => nodes[process].process.set(network),
                Event::Link(is_up) => {
                    nodes[process].process.set_link(is_up);
                    let mut links = history.links.lock().expect("no panic");
                    links.push((process, is_up, Instant::now()));
                }
                Event::Loads(takes) => rows.take(takes),
                Event::Foreign(key) => {
                    let value = rows.write(key);
                    let is_told = server.remove(format!("test:rows:v3:{key}").as_bytes());
                    history.written(None, key, value, true, is_told);
                }
                Event::Get(key) => read(&nodes, process, &[key], &history).await,
                Event::GetMany => read(&nodes, process, &[0, 1, 2], &history).await,
                Event::Update(key) => update(&nodes, process, key, &rows, &history).await,
            }
        });
    }
    tasks.join_all().await;
    history.check(reached)
}

async fn read(nodes: &[Node; 2], process: usize, keys: &[u32], history: &History) {
    let (called, ctx) = (Instant::now(), Ctx::root());
    let cached = &nodes[process].cached;
    let found: Vec<_> = if let [key] = keys {
        let found = cached.get(&ctx, key).await.expect("rows never fail");
        vec![(*key, found)]
    } else {
        let found = cached.get_many(&ctx, keys).await;
        let mut found = found.expect("rows never fail");
        keys.iter().map(|key| (*key, found.remove(key))).collect()
    };
    for (key, hit) in found {
        let sources = hit.as_ref().map(crate::Hit::source);
        history.sources.lock().expect("no panic").extend(sources);
        assert!(hit.as_ref().is_none_or(|hit| !hit.is_stale()));
        history.seen.lock().expect("no panic").push(Seen {
            process,
            key,
            value: hit.map_or(0, |hit| *hit),
            called,
            returned: Instant::now(),
        });
    }
}

async fn update(nodes: &[Node; 2], process: usize, key: u32, rows: &Rows, history: &History) {
    let write = async {
        tokio::task::yield_now().await;
        Ok::<_, std::convert::Infallible>(rows.write(key))
    };
    let committed = nodes[process]
        .cached
        .update(&Ctx::root(), &key, write)
        .await;
    let committed = committed.expect("a write never fails");
    let invalidated = committed.invalidated;
    history.written(
        Some(process),
        key,
        committed.value,
        invalidated,
        invalidated,
    );
}

impl History {
    fn written(
        &self,
        process: Option<usize>,
        key: u32,
        value: u64,
        invalidated: bool,
        is_told: bool,
    ) {
        self.written.lock().expect("no panic").push(Written {
            process,
            key,
            value,
            returned: Instant::now(),
            invalidated,
            is_told,
        });
    }

    fn check(&self, reached: &[Cell<usize>; 4]) -> TestCaseResult {
        let written = self.written.lock().expect("no panic");
        for seen in &*self.seen.lock().expect("no panic") {
            for write in written.iter().filter(|write| write.key == seen.key) {
                let is_own = write.process == Some(seen.process);
                let bound = match write.invalidated {
                    _ if is_own => Duration::ZERO,
                    true if write.is_told && self.is_linked(seen, write) => Duration::ZERO,
                    true => UNHEARD_FOR,
                    // Until it is repaired, and it has expired at the latest.
                    false => TTL,
                };
                // Not what happened in the same instant, in an order that nobody knows.
                if write.returned + bound < seen.called {
                    prop_assert!(
                        seen.value >= write.value,
                        "{seen:?} is older than {write:?}, by a bound of {bound:?}"
                    );
                    let times = &reached[3];
                    times.set(times.get() + usize::from(!is_own));
                }
            }
        }
        for source in &*self.sources.lock().expect("no panic") {
            let times = &reached[match source {
                Source::Memory => 0,
                Source::Redis => 1,
                Source::Origin => 2,
            }];
            times.set(times.get() + 1);
        }
        Ok(())
    }

    /// Whether the link of a process was up all the time, and a moment before.
    fn is_linked(&self, seen: &Seen, write: &Written) -> bool {
        let links = self.links.lock().expect("no panic");
        let mut is_up = true;
        for (_, up, at) in links.iter().filter(|(it, ..)| *it == seen.process) {
            if *at < write.returned {
                is_up = *up;
            } else if *at <= seen.returned {
                return false;
            }
        }
        is_up
    }
}
