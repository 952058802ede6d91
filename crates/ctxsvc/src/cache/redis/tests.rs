//! The protocol, between processes that share a server which is one of this process: with every
//! order of events that a property test thinks of, on a paused clock.

mod history;
mod landing;
mod scripted;
mod unkept;
mod untold;
mod versions;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use super::fake::{Network, Process, Server};
use super::level::Level;
use super::name::Names;
use super::terms::Terms;
use super::{Codec, CodecError};
use crate::cache::builder::CachedBuilder;
use crate::cache::marks::Marks;
use crate::{Cached, Ctx, Hit, Load, Source};

const TTL: Duration = Duration::from_secs(5);
const UNHEARD_FOR: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A database that counts its loads.
#[derive(Clone, Default)]
struct Rows {
    by_key: Arc<Mutex<HashMap<u32, u64>>>,
    loads: Arc<Mutex<usize>>,
    /// How long a load takes after it has read.
    takes: Arc<Mutex<Duration>>,
    is_down: Arc<Mutex<bool>>,
}

/// Rows from this one on have themselves as their version.
const VERSIONED: u64 = 1 << 32;

impl Rows {
    fn write(&self, key: u32) -> u64 {
        let mut rows = self.by_key.lock().expect("no panic");
        let row = rows.entry(key).or_default();
        *row += 1;
        *row
    }

    fn set(&self, key: u32, row: u64) {
        self.by_key.lock().expect("no panic").insert(key, row);
    }

    fn remove(&self, key: u32) {
        self.by_key.lock().expect("no panic").remove(&key);
    }

    fn loads(&self) -> usize {
        *self.loads.lock().expect("no panic")
    }

    fn take(&self, takes: Duration) {
        *self.takes.lock().expect("no panic") = takes;
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the database is down")]
struct Down;

impl Load for Rows {
    type Key = u32;
    type Value = u64;
    type Error = Down;

    async fn load(&self, _ctx: &Ctx, key: &u32) -> Result<Option<u64>, Down> {
        *self.loads.lock().expect("no panic") += 1;
        let row = self.by_key.lock().expect("no panic").get(key).copied();
        let is_down = *self.is_down.lock().expect("no panic");
        let takes = *self.takes.lock().expect("no panic");
        sleep(takes).await;
        if is_down { Err(Down) } else { Ok(row) }
    }

    fn version(row: &u64) -> Option<u64> {
        (*row >= VERSIONED && *row != UNWRITABLE).then_some(*row)
    }
}

struct Digits;

/// A value that the codec refuses.
const UNWRITABLE: u64 = u64::MAX;

impl Codec<u64> for Digits {
    const ID: u8 = 200;

    fn encode(&self, value: &u64) -> Result<Vec<u8>, CodecError> {
        if *value == UNWRITABLE {
            return Err("it can't be written".into());
        }
        Ok(value.to_string().into_bytes())
    }

    fn decode(&self, bytes: &[u8]) -> Result<u64, CodecError> {
        assert_ne!(bytes, b"poison");
        Ok(std::str::from_utf8(bytes)?.parse()?)
    }
}

/// A process with its connection.
struct Node {
    cached: Cached<Rows>,
    process: Arc<Process>,
}

fn node(server: &Arc<Server>, rows: &Rows) -> Node {
    node_with(server, rows, 3, |builder| builder)
}

fn node_with(
    server: &Arc<Server>,
    rows: &Rows,
    schema: u32,
    settings: impl FnOnce(CachedBuilder<Rows>) -> CachedBuilder<Rows>,
) -> Node {
    let names = Names::new("test", "rows", schema);
    let marks = Arc::new(Marks::new());
    let process = server.connect(names.clone(), Arc::clone(&marks));
    let wire = Arc::clone(&process);
    let builder = Cached::builder("rows", rows.clone())
        .ttl(TTL)
        .negative_ttl(TTL);
    let redis = super::Redis::open("redis://127.0.0.1:1").expect("a URL");
    let redis = redis.schema(schema).unlinked_ttl(UNHEARD_FOR);
    let builder = builder.remote(Box::new(move |_, policy| {
        let terms = Terms::new(&redis, policy);
        Arc::new(Level::new(wire, marks, names, Digits, terms))
    }));
    let cached = settings(builder).build();
    Node { cached, process }
}

impl Node {
    async fn get(&self, key: u32) -> Hit<u64> {
        let found = self.cached.get(&Ctx::root(), &key).await;
        found.expect("it is loaded").expect("it exists")
    }

    async fn update(&self, rows: &Rows, key: u32) -> bool {
        let write = async { Ok::<_, Infallible>(rows.write(key)) };
        let committed = self.cached.update(&Ctx::root(), &key, write).await;
        committed.expect("a write never fails").invalidated
    }

    /// Waits for what goes on in the background.
    async fn settled(&self) {
        assert_eq!(self.cached.close(ms(10_000)).await.left, 0);
    }

    /// How often something has happened, as `Debug` says.
    fn count(&self, what: &str) -> u64 {
        let shown = format!("{:?}", self.cached);
        let (_, rest) = shown.split_once(&format!("{what}: ")).expect("it is shown");
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|it| it.parse().ok()).expect("a number")
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_many_processes_ask_for_is_loaded_once() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.take(ms(100));
    rows.write(1);
    let nodes: Vec<_> = (0..4).map(|_| node(&server, &rows)).collect();
    let asking = nodes.iter().map(|node| node.get(1));
    let hits = futures_join(asking).await;
    assert_eq!(rows.loads(), 1);
    let loaded = hits.iter().filter(|hit| hit.source() == Source::Origin);
    assert_eq!(loaded.count(), 1);
    // And when it has expired, too.
    sleep(TTL).await;
    futures_join(nodes.iter().map(|node| node.get(1))).await;
    assert_eq!(rows.loads(), 2);
}

async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<_> = futures.map(|it| (Box::pin(it), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, output) in &mut futures {
            if output.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *output = Some(value);
            }
        }
        if futures.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    futures
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_loaded_is_remembered_although_its_own_fill_is_heard() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    let node = node(&server, &rows);
    assert_eq!(node.get(1).await.source(), Source::Origin);
    node.settled().await;
    assert_eq!(node.get(1).await.source(), Source::Memory);
}

#[tokio::test(start_paused = true)]
async fn a_process_whose_lease_is_over_does_not_fill_and_others_do_not_wait_for_it() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    rows.take(ms(1_500));
    let (slow, other) = (node(&server, &rows), node(&server, &rows));
    let (old, ()) = tokio::join!(slow.get(1), async {
        sleep(ms(100)).await;
        assert!(other.update(&rows, 1).await);
        rows.take(ms(10));
        let started = tokio::time::Instant::now();
        assert_eq!(*other.get(1).await, 2, "the lease was ended by the update");
        assert!(started.elapsed() < ms(100), "{:?}", started.elapsed());
    });
    assert_eq!(*old, 1, "it has asked before");
    slow.settled().await;
    assert_eq!(
        *slow.get(1).await,
        2,
        "and not what its late load has brought"
    );
    assert_eq!(rows.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_fails_to_load_lets_others_load_at_once() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    *rows.is_down.lock().expect("no panic") = true;
    let (first, second) = (node(&server, &rows), node(&server, &rows));
    assert!(first.cached.get(&Ctx::root(), &1).await.is_err());
    first.settled().await;
    *rows.is_down.lock().expect("no panic") = false;
    let started = tokio::time::Instant::now();
    assert_eq!(*second.get(1).await, 1);
    assert!(started.elapsed() < ms(10), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_died_while_it_loaded_is_waited_for_no_longer_than_said() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    let dead = node(&server, &rows);
    // Its right is taken, and its load does not end before the others have given up.
    rows.take(ms(60_000));
    let asked = tokio::spawn({
        let cached = dead.cached.clone();
        async move { cached.get(&Ctx::root(), &1).await.map(drop) }
    });
    sleep(ms(10)).await;
    rows.take(ms(10));
    let other = node(&server, &rows);
    let started = tokio::time::Instant::now();
    assert_eq!(*other.get(1).await, 1);
    let waited = started.elapsed();
    assert!(waited >= ms(1_900) && waited < ms(2_200), "{waited:?}");
    assert!(asked.await.expect("no panic").is_err(), "a timeout");
}

#[tokio::test(start_paused = true)]
async fn an_old_value_in_redis_stands_in_where_no_process_remembers_one() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    let stale = |builder: CachedBuilder<Rows>| builder.stale_for(TTL);
    let first = node_with(&server, &rows, 3, stale);
    first.get(1).await;
    first.settled().await;
    sleep(TTL + ms(100)).await;
    *rows.is_down.lock().expect("no panic") = true;
    let fresh_from_deployment = node_with(&server, &rows, 3, stale);
    let hit = fresh_from_deployment.get(1).await;
    assert_eq!((*hit, hit.is_stale()), (1, true));
    // It is still there for the next one.
    fresh_from_deployment.settled().await;
    assert!(node_with(&server, &rows, 3, stale).get(1).await.is_stale());
    sleep(TTL).await;
    let gone = node_with(&server, &rows, 3, stale)
        .cached
        .get(&Ctx::root(), &1)
        .await;
    assert!(gone.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_old_value_in_redis_stands_in_also_where_a_process_has_forgotten_one() {
    for version in [0, VERSIONED] {
        let (server, rows) = (Server::new(), Rows::default());
        let stale = |builder: CachedBuilder<Rows>| builder.stale_for(TTL * 10);
        let [one, two] = [(); 2].map(|()| node_with(&server, &rows, 3, stale));
        rows.set(1, version + 1);
        one.get(1).await;
        one.settled().await;
        assert!(one.update(&rows, 1).await);
        two.get(1).await;
        two.settled().await;
        sleep(TTL * 4).await;
        *rows.is_down.lock().expect("no panic") = true;
        let hit = one.get(1).await;
        assert_eq!((*hit, hit.is_stale()), (version + 2, true));
    }
}

/// Another process may have other settings: in the midst of a deployment, say.
#[tokio::test(start_paused = true)]
async fn a_value_is_stale_for_no_longer_than_who_is_asked_allows() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    let generous = node_with(&server, &rows, 3, |builder| builder.stale_for(TTL * 10));
    generous.get(1).await;
    generous.settled().await;
    let (strict, late) = (node(&server, &rows), node(&server, &rows));
    assert_eq!(strict.get(1).await.source(), Source::Redis);
    sleep(TTL + ms(100)).await;
    *rows.is_down.lock().expect("no panic") = true;
    for node in [strict, late] {
        let found = node.cached.get(&Ctx::root(), &1).await;
        assert!(found.is_err(), "{found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_adopts_what_another_process_has_loaded() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    let stale = |builder: CachedBuilder<Rows>| builder.stale_for(TTL);
    let (one, two) = (
        node_with(&server, &rows, 3, stale),
        node_with(&server, &rows, 3, stale),
    );
    one.get(1).await;
    one.settled().await;
    two.get(1).await;
    sleep(TTL + ms(100)).await;
    assert!(one.get(1).await.is_stale(), "and loads in the background");
    one.settled().await;
    assert!(!one.get(1).await.is_stale());
    let hit = two.get(1).await;
    assert!(hit.is_stale() && hit.source() == Source::Memory);
    two.settled().await;
    assert!(!two.get(1).await.is_stale());
    assert_eq!(rows.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_known_to_all() {
    let (server, rows) = (Server::new(), Rows::default());
    let (one, two) = (node(&server, &rows), node(&server, &rows));
    for node in [&one, &two] {
        let found = node.cached.get(&Ctx::root(), &7).await.expect("an answer");
        assert!(found.is_none());
        node.settled().await;
    }
    assert_eq!(rows.loads(), 1);
    assert!(one.update(&rows, 7).await);
    assert_eq!((*two.get(7).await, *one.get(7).await), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_a_value_of_this_key_is_a_counted_miss_and_overwritten() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 9] = [
        ("another format", |bytes| bytes[0] = 9),
        ("another codec", |bytes| bytes[1] = 9),
        ("the format before this one", |bytes| bytes[0] = 1),
        ("another schema", |bytes| bytes[6] ^= 1),
        ("another key", |bytes| bytes[63] ^= 1),
        ("cut", |bytes| bytes.truncate(bytes.len() - 1)),
        ("cut in its header", |bytes| bytes.truncate(20)),
        ("poison", |bytes| *bytes = foreign(b"poison")),
        ("no number", |bytes| *bytes = foreign(b"one")),
    ];
    for (what, damage) in damages {
        let (server, rows) = (Server::new(), Rows::default());
        rows.write(1);
        let writer = node(&server, &rows);
        writer.get(1).await;
        writer.settled().await;
        let name = server.names().pop().expect("one is there");
        server.change(&name, damage);
        let reader = node(&server, &rows);
        assert_eq!((*reader.get(1).await, rows.loads()), (1, 2), "{what}");
        reader.settled().await;
        let unreadable = reader.count("unreadable");
        // What is not even a value of any key is found out by the script.
        let by_script = ["format", "cut"].iter().any(|it| what.contains(it));
        assert!(unreadable == 1 || by_script, "{what}");
        assert_eq!(reader.count("missing"), 1, "{what}");
        assert_eq!(
            node(&server, &rows).get(1).await.source(),
            Source::Redis,
            "{what}"
        );
    }
}

fn foreign(payload: &[u8]) -> Vec<u8> {
    let stored = super::format::Stored {
        codec: 200,
        schema: 3,
        fresh_until: u64::MAX / 2,
        stale_until: u64::MAX / 2,
        filled_at: 1_700_000_000_000,
        token: 0,
        version: None,
        key: b"1",
        payload: Some(payload),
    };
    stored.write().expect("it is short")
}

#[tokio::test(start_paused = true)]
async fn what_cant_be_read_among_several_is_counted_once_and_overwritten() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    rows.write(2);
    let writer = node(&server, &rows);
    writer.get(1).await;
    writer.settled().await;
    let name = server.names().pop().expect("one is there");
    server.change(&name, |bytes| *bytes = foreign(b"poison"));
    let reader = node(&server, &rows);
    let found = reader.cached.get_many(&Ctx::root(), &[1, 2]).await;
    assert_eq!(found.expect("loaded").len(), 2);
    reader.settled().await;
    assert_eq!(reader.count("unreadable"), 1);
    for key in [1, 2] {
        let hit = node(&server, &rows).get(key).await;
        assert_eq!(hit.source(), Source::Redis, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_read_is_loaded_by_one_process() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    let writer = node(&server, &rows);
    writer.get(1).await;
    writer.settled().await;
    let name = server.names().pop().expect("one is there");
    server.change(&name, |bytes| *bytes = foreign(b"poison"));
    rows.take(ms(100));
    let nodes: Vec<_> = (0..3).map(|_| node(&server, &rows)).collect();
    futures_join(nodes.iter().map(|node| node.get(1))).await;
    assert_eq!(rows.loads(), 2);
}

#[tokio::test(start_paused = true)]
async fn two_schemas_side_by_side_have_their_own_values_and_hear_of_each_others_writes() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    let same = |builder| builder;
    let (old, new) = (
        node_with(&server, &rows, 3, same),
        node_with(&server, &rows, 4, same),
    );
    for node in [&old, &new] {
        assert_eq!(node.get(1).await.source(), Source::Origin);
        node.settled().await;
    }
    for (writer, reader, value) in [(&old, &new, 2), (&new, &old, 3)] {
        assert!(writer.update(&rows, 1).await);
        assert_eq!((*reader.get(1).await, *writer.get(1).await), (value, value));
        reader.settled().await;
        writer.settled().await;
    }
}

/// A key whose text is no text.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Mute;

impl std::fmt::Display for Mute {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("it has no text")
    }
}

struct Silence;

impl Load for Silence {
    type Key = Mute;
    type Value = u64;
    type Error = Down;

    async fn load(&self, _ctx: &Ctx, _key: &Mute) -> Result<Option<u64>, Down> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_key_that_panics_does_not_take_the_process_along() {
    let redis = super::Redis::open("redis://127.0.0.1:1").expect("a URL");
    let cached = Cached::builder("rows", Silence)
        .redis(redis, Digits)
        .build();
    let updating = tokio::spawn(async move {
        let write = async { Ok::<_, Infallible>(()) };
        cached.update(&Ctx::root(), &Mute, write).await.map(drop)
    });
    assert!(updating.await.is_err_and(|error| error.is_panic()));
}

/// Whatever a setting says, it is no reason to panic.
#[tokio::test]
async fn budgets_and_lifetimes_may_be_as_long_as_they_like() {
    let rows = Rows::default();
    rows.write(1);
    let redis = super::Redis::open("redis://127.0.0.1:1").expect("a URL");
    let redis = redis.budget(Duration::MAX).unlinked_ttl(Duration::MAX);
    let redis = redis.lease_wait(Duration::MAX);
    let cached = Cached::builder("rows", rows).redis(redis, Digits).build();
    let found = cached.get(&Ctx::root(), &1).await.expect("it is loaded");
    assert!(found.is_some());
    assert!(!cached.invalidate(&1).await, "there is no Redis");
}

#[tokio::test(start_paused = true)]
async fn a_write_is_seen_by_its_process_although_redis_could_not_be_told_and_then_by_all() {
    for network in [
        Network::Closed,
        Network::LosesRequests,
        Network::LosesReplies,
    ] {
        let (server, rows) = (Server::new(), Rows::default());
        rows.write(1);
        let (one, two) = (node(&server, &rows), node(&server, &rows));
        one.get(1).await;
        one.settled().await;
        two.get(1).await;
        one.process.set(network);
        assert!(!one.update(&rows, 1).await, "{network:?}");
        one.process.set(Network::Good);
        assert_eq!(*one.get(1).await, 2, "{network:?}: not what Redis has");
        sleep(ms(500)).await;
        assert_eq!(*two.get(1).await, 2, "{network:?}: it was repaired");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_goes_away_leaves_the_invalidation_to_the_background() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    let (one, two) = (node(&server, &rows), node(&server, &rows));
    for node in [&one, &two] {
        node.get(1).await;
        node.settled().await;
    }
    let awaits = testkit::every_await(
        async || {
            one.update(&rows, 1).await;
        },
        async |at| {
            let row = *rows
                .by_key
                .lock()
                .expect("no panic")
                .get(&1)
                .expect("a row");
            assert_eq!(*one.get(1).await, row, "dropped at await {at}");
            sleep(ms(500)).await;
            assert_eq!(*two.get(1).await, row, "dropped at await {at}");
        },
    )
    .await;
    assert!(awaits > 1, "{awaits}");
}

/// Another process was loading when a write could not be told, and has the right to fill later.
#[tokio::test(start_paused = true)]
async fn what_is_filled_after_a_write_that_could_not_be_told_is_not_read_by_its_process() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    rows.take(ms(1_500));
    let (reader, writer) = (node(&server, &rows), node(&server, &rows));
    let (old, ()) = tokio::join!(reader.get(1), async {
        sleep(ms(100)).await;
        writer.process.set(Network::Closed);
        assert!(!writer.update(&rows, 1).await);
    });
    assert_eq!(*old, 1, "it has asked before");
    // A lifetime after the update, and not yet one after the fill.
    sleep(ms(3_900)).await;
    writer.process.set(Network::Good);
    assert_eq!(*writer.get(1).await, 2);
}

#[tokio::test(start_paused = true)]
async fn several_keys_come_from_memory_redis_and_one_load() {
    let (server, rows) = (Server::new(), Rows::default());
    for key in 0..6 {
        rows.write(key);
    }
    let (one, two) = (node(&server, &rows), node(&server, &rows));
    let ctx = Ctx::root();
    one.cached
        .get_many(&ctx, &[0, 1, 2, 77])
        .await
        .expect("loaded");
    one.settled().await;
    two.get(0).await;
    let found = two
        .cached
        .get_many(&ctx, &[0, 1, 2, 3, 4, 77])
        .await
        .expect("loaded");
    two.settled().await;
    let source = |key: u32| found.get(&key).map(Hit::source);
    assert_eq!(source(0), Some(Source::Memory));
    assert_eq!([source(1), source(2)], [Some(Source::Redis); 2]);
    assert_eq!([source(3), source(4)], [Some(Source::Origin); 2]);
    assert_eq!(source(77), None);
    assert_eq!(rows.loads(), 4 + 2, "77 is known not to exist");
    let again = one.cached.get_many(&ctx, &[3, 4]).await.expect("found");
    assert!(again.values().all(|hit| hit.source() == Source::Redis));
    for network in [Network::Closed, Network::LosesReplies] {
        one.process.set(network);
        sleep(TTL).await;
        let found = one.cached.get_many(&ctx, &[0, 1]).await.expect("loaded");
        assert!(found.values().all(|hit| hit.source() == Source::Origin));
    }
}

#[tokio::test(start_paused = true)]
async fn what_redis_does_not_have_is_not_believed_for_long_since_nobody_tells_of_it() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    let node = node(&server, &rows);
    node.process.set(Network::Closed);
    node.get(1).await;
    rows.write(1);
    assert!(!server.remove(b"test:rows:v3:1"), "nobody was told");
    assert_eq!(*node.get(1).await, 1);
    sleep(UNHEARD_FOR).await;
    assert_eq!(*node.get(1).await, 2);
}

/// At each step of a load somebody else writes.
#[tokio::test(start_paused = true)]
async fn a_write_at_any_step_of_a_load_is_seen_by_who_asks_after_it() {
    for is_linked in [true, false] {
        for steps in 0..30 {
            let (server, rows) = (Server::new(), Rows::default());
            rows.write(1);
            let node = node(&server, &rows);
            node.process.set_link(is_linked);
            let cached = node.cached.clone();
            let loading = tokio::spawn(async move { cached.get(&Ctx::root(), &1).await });
            for _ in 0..steps {
                tokio::task::yield_now().await;
            }
            rows.write(1);
            let is_told = server.remove(b"test:rows:v3:1");
            loading.await.expect("no panic").expect("it is loaded");
            let value = *node.get(1).await;
            assert!(value == 2 || !(is_told && is_linked), "{steps} steps");
            sleep(UNHEARD_FOR).await;
            assert_eq!(*node.get(1).await, 2, "{is_linked}, {steps} steps");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_overtaken_does_not_remember_what_it_has_loaded() {
    let (server, rows) = (Server::new(), Rows::default());
    rows.write(1);
    rows.take(ms(10));
    let node = node(&server, &rows);
    node.process.set_link(false);
    let (old, ()) = tokio::join!(node.get(1), async {
        sleep(ms(5)).await;
        rows.write(1);
        assert!(server.remove(b"test:rows:v3:1"), "the right to load");
    });
    node.settled().await;
    assert_eq!((*old, *node.get(1).await), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn rights_that_nobody_heard_of_are_given_back() {
    let (server, rows) = (Server::new(), Rows::default());
    let keys = [1, 2, 3];
    for key in keys {
        rows.write(key);
    }
    let (one, two) = (node(&server, &rows), node(&server, &rows));
    // They are read before they are taken, and that is answered.
    let asked = tokio::spawn({
        let cached = one.cached.clone();
        async move {
            cached
                .get_many(&Ctx::root(), &keys)
                .await
                .map(|found| found.len())
        }
    });
    while !server.was_read() {
        tokio::task::yield_now().await;
    }
    one.process.set(Network::LosesReplies);
    assert_eq!(asked.await.expect("no panic").expect("it is loaded"), 3);
    one.process.set(Network::Good);
    sleep(ms(500)).await;
    for key in keys {
        let started = tokio::time::Instant::now();
        two.get(key).await;
        assert!(started.elapsed() < ms(50), "{key}: {:?}", started.elapsed());
    }
}

#[test]
fn what_was_still_to_be_told_when_its_runtime_ended_is_loaded_again_in_time() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let builder = builder.enable_time().start_paused(true);
        builder.build().expect("a runtime")
    };
    let rows = Rows::default();
    rows.write(1);
    let first = runtime();
    let node = first.block_on(async {
        let node = node(&Server::new(), &rows);
        rows.take(ms(10));
        let (value, ()) = tokio::join!(node.get(1), async {
            sleep(ms(5)).await;
            // The right is taken by now, and the value will be told for so long.
            node.process.set(Network::LosesRequests);
        });
        assert_eq!(*value, 1);
        node
    });
    drop(first);
    runtime().block_on(async {
        rows.write(1);
        sleep(TTL).await;
        assert_eq!(*node.get(1).await, 2);
    });
}

#[test]
fn a_write_that_is_dropped_outside_of_a_runtime_is_told_when_there_is_one() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime")
    };
    let (first, rows) = (runtime(), Rows::default());
    let (one, two) = first.block_on(async {
        let server = Server::new();
        rows.write(1);
        let nodes = (node(&server, &rows), node(&server, &rows));
        assert_eq!((*nodes.0.get(1).await, *nodes.1.get(1).await), (1, 1));
        nodes
    });
    let ctx = Ctx::root();
    let write = async {
        rows.write(1);
        std::future::pending::<Result<(), Infallible>>().await
    };
    let mut writing = tokio_test::task::spawn(one.cached.update(&ctx, &1, write));
    assert!(writing.poll().is_pending());
    drop(writing);
    first.block_on(async {
        assert_eq!(*one.get(1).await, 2);
        sleep(ms(500)).await;
        assert_eq!(*two.get(1).await, 2);
    });
}
