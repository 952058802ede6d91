//! Versions of rows, where replicas lag behind and Redis forgets.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseResult, TestRunner};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::{Network, Node, Rows, Server, VERSIONED, ms, node, node_with};
use crate::cache::version::LAG;
use crate::{Ctx, Source};

/// Of the row, in Redis.
const NAME: &[u8] = b"test:rows:v3:1";

/// A row, in the replica that is read.
fn replica() -> Rows {
    let rows = Rows::default();
    has(&rows, 1);
    rows
}

fn has(replica: &Rows, version: u64) {
    replica.set(1, VERSIONED + version);
}

/// A write to the primary, which the replica that is read does not have yet.
async fn update(node: &Node) {
    let write = async { Ok::<_, Infallible>(()) };
    let committed = node.cached.update(&Ctx::root(), &1, write).await;
    committed.expect("a write never fails");
}

/// What is read, once what comes of it is told.
async fn read(node: &Node) -> (u64, Source) {
    let hit = node.get(1).await;
    node.settled().await;
    (*hit - VERSIONED, hit.source())
}

#[tokio::test(start_paused = true)]
async fn what_a_replica_still_has_after_a_write_is_remembered_by_no_process() {
    let (server, rows) = (Server::new(), replica());
    let [writer, reader, new] = [(); 3].map(|()| node(&server, &rows));
    read(&reader).await;
    // It has not seen the row: Redis has.
    update(&writer).await;
    for node in [&writer, &reader, &new, &reader] {
        assert_eq!(read(node).await, (1, Source::Origin));
        let found = node.cached.get_many(&Ctx::root(), &[1]).await;
        assert_eq!(found.expect("loaded")[&1].source(), Source::Origin);
        node.settled().await;
    }
    has(&rows, 2);
    assert_eq!(read(&new).await, (2, Source::Origin));
    assert_eq!(read(&new).await, (2, Source::Memory));
    assert_eq!(read(&reader).await, (2, Source::Redis));
}

#[tokio::test(start_paused = true)]
async fn what_only_the_process_that_writes_has_seen_counts_for_others_too() {
    let (server, rows) = (Server::new(), replica());
    let (writer, reader) = (node(&server, &rows), node(&server, &rows));
    read(&writer).await;
    server.remove(NAME);
    update(&writer).await;
    for _ in 0..2 {
        assert_eq!(read(&reader).await, (1, Source::Origin));
    }
}

/// What a process has read of a row that only `writer` has seen, twice.
async fn sources_of_what_the_writer_has_seen(
    rows: &Rows,
    write: impl AsyncFn(&Node),
) -> [Source; 2] {
    let server = Server::new();
    let (writer, reader) = (node(&server, rows), node(&server, rows));
    read(&writer).await;
    server.remove(NAME);
    write(&writer).await;
    assert_eq!(writer.cached.close(ms(2_000)).await.untold, 0);
    [read(&reader).await.1, read(&reader).await.1]
}

#[tokio::test(start_paused = true)]
async fn a_committed_write_that_is_told_later_tells_the_version_too() {
    let rows = replica();
    let sources = sources_of_what_the_writer_has_seen(&rows, async |writer| {
        writer.process.set(Network::LosesRequests);
        update(writer).await;
        writer.process.set(Network::Good);
    });
    assert_eq!(sources.await, [Source::Origin; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_caller_has_gone_tells_the_version_too() {
    let rows = replica();
    let sources = sources_of_what_the_writer_has_seen(&rows, async |writer| {
        let ctx = Ctx::root().with_timeout(ms(1));
        let write = std::future::pending::<Result<(), Infallible>>();
        let written = writer.cached.update(&ctx, &1, write).await;
        assert!(written.is_err());
    });
    assert_eq!(sources.await, [Source::Origin; 2]);
}

#[tokio::test(start_paused = true)]
async fn writes_of_several_keys_that_are_told_together_tell_the_version_of_each() {
    let (server, rows) = (Server::new(), Rows::default());
    let (writer, reader) = (node(&server, &rows), node(&server, &rows));
    let keys = [1, 2, 3];
    for key in keys {
        rows.set(key, VERSIONED + u64::from(key));
        writer.get(key).await;
        writer.settled().await;
        server.remove(format!("test:rows:v3:{key}").as_bytes());
    }
    writer.process.set(Network::Closed);
    for key in keys {
        assert!(!writer.cached.invalidate(&key).await);
    }
    writer.process.set(Network::Good);
    assert_eq!(writer.cached.close(ms(2_000)).await.untold, 0);
    // Above its own version, and not above those of all.
    rows.set(2, VERSIONED + 3);
    for (key, source) in [
        (1, Source::Origin),
        (2, Source::Memory),
        (3, Source::Origin),
    ] {
        reader.get(key).await;
        reader.settled().await;
        assert_eq!(reader.get(key).await.source(), source, "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_ask_at_the_same_time_are_given_what_a_replica_has() {
    let (server, rows) = (Server::new(), replica());
    let nodes = [(); 3].map(|()| node(&server, &rows));
    read(&nodes[0]).await;
    update(&nodes[0]).await;
    rows.take(ms(10));
    let started = Instant::now();
    let hits = super::futures_join(nodes.iter().map(|node| node.get(1))).await;
    assert!(hits.iter().all(|hit| **hit == VERSIONED + 1));
    // One after the other: nothing of what they load is left for the next one.
    assert!(started.elapsed() < ms(200), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_redis_that_comes_back_with_older_data_is_not_believed_by_who_knows_better() {
    let (server, rows) = (Server::new(), replica());
    let (one, two) = (node(&server, &rows), node(&server, &rows));
    read(&one).await;
    let mut snapshot = Vec::new();
    server.change(NAME, |bytes| snapshot.clone_from(bytes));
    update(&one).await;
    has(&rows, 2);
    read(&one).await;
    server.change(NAME, |bytes| *bytes = snapshot);
    for node in [&one, &two] {
        node.process.set_link(false);
        node.process.set_link(true);
    }
    assert_eq!(read(&one).await, (2, Source::Origin));
    assert_eq!(
        read(&two).await,
        (2, Source::Redis),
        "what was there is overwritten"
    );
}

#[tokio::test(start_paused = true)]
async fn who_loads_without_a_right_remembers_nothing_that_redis_knows_to_be_old() {
    let (server, rows) = (Server::new(), replica());
    let [writer, holder, reader] = [(); 3].map(|()| node(&server, &rows));
    read(&writer).await;
    update(&writer).await;
    rows.take(ms(300));
    let reads = async {
        sleep(ms(5)).await;
        rows.take(ms(5));
        for _ in 0..2 {
            // Who asks for several does not wait for the holder.
            let found = reader.cached.get_many(&Ctx::root(), &[1]).await;
            let hit = &found.expect("loaded")[&1];
            assert_eq!((**hit, hit.source()), (VERSIONED + 1, Source::Origin));
            sleep(ms(20)).await;
        }
    };
    tokio::join!(holder.get(1), reads);
}

/// In a database that was restored, say, as long as a process knows what was there before.
#[tokio::test(start_paused = true)]
async fn who_knows_a_newer_version_leaves_what_others_have_filled() {
    let (server, rows) = (Server::new(), replica());
    let (one, two) = (node(&server, &rows), node(&server, &rows));
    has(&rows, 9);
    read(&one).await;
    has(&rows, 7);
    server.remove(NAME);
    assert_eq!(read(&two).await, (7, Source::Origin));
    for is_many in [false, true] {
        assert_eq!(read(&two).await.0, 7);
        let loads = rows.loads();
        if is_many {
            let found = one.cached.get_many(&Ctx::root(), &[1]).await;
            assert_eq!(*found.expect("loaded")[&1], VERSIONED + 7);
            one.settled().await;
        } else {
            assert_eq!(read(&one).await, (7, Source::Origin));
        }
        assert_eq!(rows.loads(), loads + 1);
        assert_eq!(read(&two).await, (7, Source::Redis), "{is_many}");
        assert_eq!(one.count("unreadable"), 0);
    }
    has(&rows, 10);
    assert_eq!(read(&one).await, (10, Source::Origin));
    assert_eq!(
        read(&two).await,
        (10, Source::Redis),
        "a newer one is filled"
    );
}

/// That there is no row has no version to be compared with: those that were seen still count.
#[tokio::test(start_paused = true)]
async fn a_replica_without_the_row_does_not_make_an_older_version_believed() {
    let (server, rows) = (Server::new(), replica());
    let one = node_with(&server, &rows, 3, |builder| builder.negative_ttl(ms(1_000)));
    read(&one).await;
    update(&one).await;
    let ctx = Ctx::root();
    for _ in 0..3 {
        rows.remove(1);
        let found = one.cached.get(&ctx, &1).await;
        assert!(found.expect("loaded").is_none());
        one.settled().await;
        has(&rows, 1);
        let found = one.cached.get(&ctx, &1).await;
        assert!(found.expect("loaded").is_none(), "it is remembered");
        sleep(ms(1_100)).await;
        for _ in 0..2 {
            assert_eq!(read(&one).await, (1, Source::Origin));
        }
    }
    sleep(LAG).await;
    read(&one).await;
    assert_eq!(read(&one).await, (1, Source::Memory), "it lags by too much");
}

/// A process that has seen the second version of a row, and what Redis had when it was the first one.
async fn one_with_a_snapshot(server: &Arc<Server>, rows: &Rows) -> (Node, Vec<u8>) {
    let one = node(server, rows);
    read(&one).await;
    let mut snapshot = Vec::new();
    server.change(NAME, |bytes| snapshot.clone_from(bytes));
    update(&one).await;
    has(rows, 2);
    read(&one).await;
    (one, snapshot)
}

#[tokio::test(start_paused = true)]
async fn a_redis_with_older_data_is_not_believed_by_who_asks_for_several_keys() {
    let (server, rows) = (Server::new(), replica());
    let (one, snapshot) = one_with_a_snapshot(&server, &rows).await;
    server.change(NAME, |bytes| *bytes = snapshot);
    one.process.set_link(false);
    one.process.set_link(true);
    let found = one.cached.get_many(&Ctx::root(), &[1]).await;
    let hit = &found.expect("loaded")[&1];
    assert_eq!((**hit, hit.source()), (VERSIONED + 2, Source::Origin));
}

/// Between its two questions: what is there, and for the right to load what is not.
#[tokio::test(start_paused = true)]
async fn older_data_that_comes_while_several_keys_are_asked_for_is_not_believed_either() {
    let (server, rows) = (Server::new(), replica());
    let (one, snapshot) = one_with_a_snapshot(&server, &rows).await;
    update(&one).await;
    has(&rows, 3);
    let comes_back = async {
        while !server.was_read() {
            yield_now().await;
        }
        server.change(NAME, |bytes| *bytes = snapshot);
    };
    let ctx = Ctx::root();
    let (found, ()) = tokio::join!(one.cached.get_many(&ctx, &[1]), comes_back);
    let hit = &found.expect("loaded")[&1];
    assert_eq!((**hit, hit.source()), (VERSIONED + 3, Source::Origin));
}

#[tokio::test(start_paused = true)]
async fn what_a_process_knows_to_be_old_is_not_filled_into_a_redis_that_does_not() {
    let (server, rows) = (Server::new(), replica());
    let (one, two) = (node(&server, &rows), node(&server, &rows));
    read(&one).await;
    update(&one).await;
    server.remove(NAME);
    assert_eq!(read(&one).await, (1, Source::Origin));
    assert!(!server.names().contains(&NAME.to_vec()));
    assert_eq!(read(&two).await, (1, Source::Origin), "nobody has told it");
}

/// For how long what was remembered surely counts.
const COUNTS: Duration = Duration::from_millis(4_500).saturating_add(LAG);

#[derive(Debug, Clone)]
enum Event {
    /// By one of the processes.
    Get(usize),
    Update(usize),
    /// Another replica is read, which lags behind by so many writes.
    Replica {
        lag: u64,
    },
    Advance(Duration),
}

/// What surely was seen of the row.
#[derive(Default)]
struct Model {
    primary: u64,
    lag: u64,
    /// Of those that were remembered.
    highest: u64,
    /// The last one that was remembered, and when.
    seen: Option<(u64, Instant)>,
    /// What was seen before the last write, and when that was.
    forgotten: Option<(u64, Instant)>,
}

#[test]
fn what_is_remembered_is_never_older_than_what_was_seen() {
    let event = prop_oneof![
        8 => (0..2_usize).prop_map(Event::Get),
        3 => (0..2_usize).prop_map(Event::Update),
        3 => (0..3_u64).prop_map(|lag| Event::Replica { lag }),
        2 => (0..8_000_u64).prop_map(|it| Event::Advance(ms(it))),
    ];
    let reached = [const { Cell::new(0_usize) }; 3];
    let events = prop::collection::vec(event, 1..60);
    let tested = TestRunner::default().run(&events, |events| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(play(events, &reached))
    });
    tested.unwrap_or_else(|failed| panic!("{failed}"));
    // Older ones that were refused, newer ones that were not, and what was remembered while it mattered.
    println!("{reached:?}");
    assert!(reached.iter().all(|times| times.get() > 300), "{reached:?}");
}

async fn play(events: Vec<Event>, reached: &[Cell<usize>; 3]) -> TestCaseResult {
    let (server, rows) = (Server::new(), replica());
    let nodes = [node(&server, &rows), node(&server, &rows)];
    let mut model = Model {
        primary: 3,
        ..Model::default()
    };
    for event in events {
        has(&rows, model.primary.saturating_sub(model.lag).max(1));
        match event {
            Event::Get(process) => model.get(&nodes[process], &rows, reached).await?,
            Event::Update(process) => {
                model.primary += 1;
                update(&nodes[process]).await;
                let seen = model.seen.take().filter(|(_, at)| at.elapsed() < COUNTS);
                let forgotten = seen.map(|(version, _)| (version, Instant::now()));
                model.forgotten = forgotten.or(model.forgotten);
            }
            Event::Replica { lag } => model.lag = lag,
            Event::Advance(by) => sleep(by).await,
        }
    }
    Ok(())
}

impl Model {
    fn admits(&self, version: u64) -> bool {
        let is_above = |(seen, at): (u64, Instant)| version > seen || at.elapsed() >= LAG;
        let is_at = |(seen, at): (u64, Instant)| version >= seen || at.elapsed() >= COUNTS;
        self.forgotten.is_none_or(is_above) && self.seen.is_none_or(is_at)
    }

    async fn get(
        &mut self,
        node: &Node,
        rows: &Rows,
        reached: &[Cell<usize>; 3],
    ) -> TestCaseResult {
        let count = |nth: usize| reached[nth].set(reached[nth].get() + 1);
        let loads = rows.loads();
        let (version, source) = read(node).await;
        prop_assert_eq!(source == Source::Origin, rows.loads() > loads);
        if source != Source::Origin {
            prop_assert!(self.admits(version), "{} from {:?}", version, source);
            count(2);
            return Ok(());
        }
        let is_newer = version > self.highest;
        let (again, source) = read(node).await;
        prop_assert_eq!(again, version);
        if !self.admits(version) {
            prop_assert_eq!(source, Source::Origin, "{} is remembered", version);
            count(0);
        } else if is_newer {
            prop_assert_eq!(source, Source::Memory, "{} is not remembered", version);
            count(1);
        }
        if source == Source::Memory {
            self.seen = Some((version, Instant::now()));
            self.highest = self.highest.max(version);
        }
        Ok(())
    }
}
