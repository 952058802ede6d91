//! The whole protocol, of contexts, flights and writes, in the orders of events that shuttle thinks of.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use shuttle::future::{block_on, yield_now};
use shuttle::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use shuttle::thread;

use crate::{CacheError, Cached, Ctx, Load};

/// Of each test and each way to choose one: `PROPTEST_CASES`, which `cargo xtask test --full` sets,
/// times a hundred.
fn orders() -> usize {
    let set = std::env::var("PROPTEST_CASES").ok();
    set.and_then(|cases| cases.parse().ok()).unwrap_or(256) * 100
}

/// A row that is read first and given later, as by a query whose answer is on its way.
#[derive(Clone, Default)]
struct Row {
    value: Arc<AtomicU64>,
    loads: Arc<AtomicUsize>,
    running: Arc<AtomicUsize>,
}

impl Load for Row {
    type Key = u8;
    type Value = u64;
    type Error = Infallible;

    async fn load(&self, _ctx: &Ctx, _key: &u8) -> Result<Option<u64>, Infallible> {
        self.loads.fetch_add(1, SeqCst);
        self.running.fetch_add(1, SeqCst);
        let value = self.value.load(SeqCst);
        yield_now().await;
        self.running.fetch_sub(1, SeqCst);
        Ok(Some(value))
    }

    fn version(value: &u64) -> Option<u64> {
        Some(*value)
    }
}

fn cached(row: &Row) -> Cached<Row> {
    // Without an end of its time no load needs a timer, of which shuttle knows nothing.
    Cached::builder("row", row.clone())
        .load_timeout(Duration::MAX)
        .build()
}

fn get(cached: &Cached<Row>) -> u64 {
    let found = block_on(cached.get(&Ctx::root(), &1));
    *found.expect("it is loaded").expect("it exists")
}

fn thread<T: Send + 'static>(
    cached: &Cached<Row>,
    act: impl FnOnce(&Cached<Row>) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let cached = cached.clone();
    thread::spawn(move || act(&cached))
}

/// Nothing is left of any load: whoever asks now is answered.
fn ends(cached: &Cached<Row>) {
    block_on(async {
        while cached.shared.running.count() > 0 {
            yield_now().await;
        }
    });
    get(cached);
}

#[test]
fn who_asks_at_the_same_time_is_answered_by_one_load() {
    let asks = || {
        let row = Row::default();
        let cached = cached(&row);
        let asking = [(); 3].map(|()| thread(&cached, get));
        for asking in asking {
            assert_eq!(asking.join().expect("no panic"), 0);
        }
        assert_eq!(row.loads.load(SeqCst), 1);
        ends(&cached);
        assert_eq!(row.loads.load(SeqCst), 1, "it is remembered");
    };
    shuttle::check_random(asks, orders());
    shuttle::check_pct(asks, orders(), 3);
}

#[test]
fn who_asks_after_a_write_has_returned_sees_it_whatever_was_under_way() {
    let writes = || {
        let row = Row::default();
        let cached = cached(&row);
        let before = thread(&cached, get);
        let write = row.clone();
        let writer = thread(&cached, move |cached| {
            let write = async {
                yield_now().await;
                Ok::<_, Infallible>(write.value.fetch_add(1, SeqCst) + 1)
            };
            let committed = block_on(cached.update(&Ctx::root(), &1, write));
            let written = committed.expect("it is written").value;
            assert!(get(cached) >= written);
        });
        assert!(before.join().expect("no panic") <= 1);
        writer.join().expect("no panic");
        assert_eq!(get(&cached), 1);
        ends(&cached);
    };
    shuttle::check_random(writes, orders());
    shuttle::check_pct(writes, orders(), 3);
}

#[test]
fn who_is_cancelled_while_it_waits_is_told_the_cause_and_takes_nothing_from_others() {
    let cancels = || {
        let row = Row::default();
        let cached = cached(&row);
        let (ctx, guard) = Ctx::root().cancellable();
        let child = ctx.with_value(7_u8);
        let waits = thread(&cached, move |cached| block_on(cached.get(&child, &1)));
        let other = thread(&cached, get);
        guard.cancel_because("the client has gone");
        match waits.join().expect("no panic") {
            Ok(found) => assert_eq!(found.map(|hit| *hit), Some(0)),
            Err(CacheError::Done(done)) => {
                let cause = done.cause().map(ToString::to_string);
                assert_eq!(cause.as_deref(), Some("the client has gone"));
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(other.join().expect("no panic"), 0);
        ends(&cached);
        assert_eq!(row.running.load(SeqCst), 0);
        assert_eq!(row.loads.load(SeqCst), 1);
    };
    shuttle::check_random(cancels, orders());
    shuttle::check_pct(cancels, orders(), 3);
}

#[test]
fn a_caller_that_goes_away_at_any_moment_of_an_update_leaves_no_old_value() {
    let drops = || {
        let row = Row::default();
        let cached = cached(&row);
        let reader = thread(&cached, get);
        let (ctx, guard) = Ctx::root().cancellable();
        let write = row.clone();
        let writer = thread(&cached, move |cached| {
            let write = async {
                write.value.store(1, SeqCst);
                yield_now().await;
                Ok::<_, Infallible>(())
            };
            let _ended_or_not = block_on(cached.update(&ctx, &1, write));
        });
        guard.cancel();
        writer.join().expect("no panic");
        let row = row.value.load(SeqCst);
        assert_eq!(get(&cached), row, "as it was written, or not begun");
        reader.join().expect("no panic");
        ends(&cached);
    };
    shuttle::check_random(drops, orders());
    shuttle::check_pct(drops, orders(), 3);
}

#[test]
fn what_a_replica_still_has_after_a_write_is_not_remembered_whoever_reads_it_when() {
    let lags = || {
        let replica = Row::default();
        let cached = cached(&replica);
        get(&cached);
        let reading = [(); 2].map(|()| thread(&cached, get));
        let writer = thread(&cached, |cached| {
            let write = async { Ok::<_, Infallible>(()) };
            block_on(cached.update(&Ctx::root(), &1, write)).expect("it is written");
        });
        for reading in reading {
            assert_eq!(reading.join().expect("no panic"), 0);
        }
        writer.join().expect("no panic");
        assert_eq!(get(&cached), 0, "it is not there yet");
        replica.value.store(1, SeqCst);
        assert_eq!(get(&cached), 1);
        ends(&cached);
    };
    shuttle::check_random(lags, orders());
    shuttle::check_pct(lags, orders(), 3);
}
