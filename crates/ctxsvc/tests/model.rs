//! Contexts against a naive tree, and the cache against a map, step by step.

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ctxsvc::{Cached, CancelGuard, Ctx, Load};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use tokio::time::{Instant, advance};

fn run<S: Strategy>(steps: &S, test: impl Fn(S::Value) -> TestCaseResult) {
    let config = Config {
        // What fails becomes a named test, not a line in a file of seeds.
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(steps, test)
        .expect("it agrees with the model");
}

fn on_a_paused_clock(test: impl Future<Output = TestCaseResult>) -> TestCaseResult {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(test)
}

#[derive(Debug, Clone)]
enum Layer {
    Value(u8),
    Text(u8),
    Cancel,
    Deadline { ms: u64 },
    Detach,
}

#[derive(Debug, Clone)]
enum Act {
    /// Derives from one of those that there are.
    Derive(usize, Layer),
    Cancel(usize),
    /// Somebody waits for the end of one of them.
    Wait(usize),
    Advance {
        ms: u64,
    },
}

/// A context that looks at all above it each time.
struct Naive {
    parent: Option<usize>,
    value: Option<u8>,
    text: Option<String>,
    deadline: Option<Instant>,
    cancelled: Option<Instant>,
}

/// When it has ended and whether by a deadline.
fn end(tree: &[Naive], mut nth: usize, now: Instant) -> Option<(Instant, bool)> {
    let mut first: Option<(Instant, bool)> = None;
    loop {
        let node = &tree[nth];
        let ends = [
            node.deadline.map(|at| (at, true)),
            node.cancelled.map(|at| (at, false)),
        ];
        for (at, by_deadline) in ends.into_iter().flatten() {
            // A deadline that has come is noticed by whoever cancels at the same instant.
            let is_first =
                first.is_none_or(|(before, _)| at < before || (at == before && by_deadline));
            if at <= now && is_first {
                first = Some((at, by_deadline));
            }
        }
        match node.parent {
            Some(parent) => nth = parent,
            None => return first,
        }
    }
}

#[test]
fn layers_of_contexts_end_as_a_naive_tree_says() {
    let layer = prop_oneof![
        any::<u8>().prop_map(Layer::Value),
        any::<u8>().prop_map(Layer::Text),
        Just(Layer::Cancel),
        Just(Layer::Cancel),
        (0..40_u64).prop_map(|ms| Layer::Deadline { ms }),
        Just(Layer::Detach),
    ];
    let act = prop_oneof![
        8 => (any::<usize>(), layer).prop_map(|(of, layer)| Act::Derive(of, layer)),
        2 => any::<usize>().prop_map(Act::Cancel),
        2 => any::<usize>().prop_map(Act::Wait),
        2 => (1..20_u64).prop_map(|ms| Act::Advance { ms }),
    ];
    let reached = [const { Cell::new(0) }; 2];
    run(&prop::collection::vec(act, 1..60), |acts| {
        on_a_paused_clock(contexts(&acts, &reached))
    });
    assert!(
        reached.iter().all(|times| times.get() > 1_000),
        "{reached:?}"
    );
}

async fn contexts(acts: &[Act], reached: &[Cell<u32>; 2]) -> TestCaseResult {
    let mut ours: Vec<(Ctx, Option<CancelGuard>)> = vec![(Ctx::root(), None)];
    let mut tree = vec![Naive {
        parent: None,
        value: None,
        text: None,
        deadline: None,
        cancelled: None,
    }];
    let mut waiting = Vec::new();
    for act in acts {
        match act {
            Act::Derive(of, layer) => {
                let of = of % tree.len();
                ours.push(derive(&ours[of].0, layer));
                tree.push(naive(&tree[of], of, layer));
            }
            Act::Cancel(nth) => {
                let nth = nth % tree.len();
                if let Some(guard) = &ours[nth].1 {
                    guard.cancel();
                    tree[nth].cancelled.get_or_insert(Instant::now());
                }
            }
            Act::Wait(nth) => {
                let ctx = ours[nth % tree.len()].0.clone();
                waiting.push(tokio::spawn(async move { ctx.done().await }));
                tokio::task::yield_now().await;
            }
            Act::Advance { ms } => advance(Duration::from_millis(*ms)).await,
        }
        for (nth, (ctx, _)) in ours.iter().enumerate() {
            let expected = end(&tree, nth, Instant::now()).map(|(_, by_deadline)| by_deadline);
            let told = ctx.check().err().map(|done| done.is_timeout());
            prop_assert_eq!(told, expected, "context {} after {:?}", nth, act);
            prop_assert_eq!(ctx.value::<u8>().copied(), tree[nth].value);
            prop_assert_eq!(ctx.value::<String>().cloned(), tree[nth].text.clone());
            if let Some(by_deadline) = told {
                let times = &reached[usize::from(by_deadline)];
                times.set(times.get() + 1);
            }
        }
    }
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

fn derive(ctx: &Ctx, layer: &Layer) -> (Ctx, Option<CancelGuard>) {
    match layer {
        Layer::Value(value) => (ctx.with_value(*value), None),
        Layer::Text(text) => (ctx.with_value(text.to_string()), None),
        Layer::Deadline { ms } => (ctx.with_timeout(Duration::from_millis(*ms)), None),
        Layer::Detach => (ctx.detach(), None),
        Layer::Cancel => {
            let (ctx, guard) = ctx.cancellable();
            (ctx, Some(guard))
        }
    }
}

fn naive(of: &Naive, nth: usize, layer: &Layer) -> Naive {
    let mut node = Naive {
        parent: Some(nth),
        value: of.value,
        text: of.text.clone(),
        deadline: None,
        cancelled: None,
    };
    match layer {
        Layer::Value(value) => node.value = Some(*value),
        Layer::Text(text) => node.text = Some(text.to_string()),
        Layer::Deadline { ms } => node.deadline = Some(Instant::now() + Duration::from_millis(*ms)),
        Layer::Detach => node.parent = None,
        Layer::Cancel => {}
    }
    node
}

const KEYS: u32 = 6;
const TTL_MS: u64 = 1_000;

#[derive(Debug, Clone)]
enum Step {
    Get(u32),
    GetMany(Vec<u32>),
    Update(u32, Option<u64>),
    /// Behind the cache's back.
    Write(u32, Option<u64>),
    Invalidate(u32),
    Advance {
        ms: u64,
    },
}

#[derive(Clone, Default)]
struct Rows {
    rows: Arc<Mutex<HashMap<u32, u64>>>,
    /// How often each was loaded.
    loads: Arc<Mutex<HashMap<u32, u64>>>,
}

impl Rows {
    fn set(&self, key: u32, value: Option<u64>) {
        let mut rows = self.rows.lock().expect("no panic");
        match value {
            Some(value) => rows.insert(key, value),
            None => rows.remove(&key),
        };
    }

    fn read(&self, key: u32) -> Option<u64> {
        self.rows.lock().expect("no panic").get(&key).copied()
    }

    fn loads(&self, key: u32) -> u64 {
        let loads = self.loads.lock().expect("no panic");
        loads.get(&key).copied().unwrap_or(0)
    }
}

impl Load for Rows {
    type Key = u32;
    type Value = u64;
    type Error = Infallible;

    async fn load(&self, _ctx: &Ctx, key: &u32) -> Result<Option<u64>, Infallible> {
        *self
            .loads
            .lock()
            .expect("no panic")
            .entry(*key)
            .or_default() += 1;
        tokio::task::yield_now().await;
        Ok(self.read(*key))
    }
}

#[test]
fn a_cache_answers_as_a_map_that_remembers_says() {
    let value = || prop::option::of(any::<u64>());
    let step = prop_oneof![
        6 => (0..KEYS).prop_map(Step::Get),
        2 => prop::collection::vec(0..KEYS, 0..6).prop_map(Step::GetMany),
        2 => (0..KEYS, value()).prop_map(|(key, value)| Step::Update(key, value)),
        2 => (0..KEYS, value()).prop_map(|(key, value)| Step::Write(key, value)),
        1 => (0..KEYS).prop_map(Step::Invalidate),
        2 => (1..600_u64).prop_map(|ms| Step::Advance { ms }),
    ];
    let reached = [const { Cell::new(0) }; 2];
    run(&prop::collection::vec(step, 1..80), |steps| {
        on_a_paused_clock(cache(steps, &reached))
    });
    assert!(
        reached.iter().all(|times| times.get() > 1_000),
        "{reached:?}"
    );
}

/// What the model remembers of each key.
type Memory = HashMap<u32, Remembered>;

#[derive(Default)]
struct Remembered {
    /// What was loaded, and when.
    last: Option<(Option<u64>, Instant)>,
    loads: u64,
}

async fn cache(steps: Vec<Step>, reached: &[Cell<u32>; 2]) -> TestCaseResult {
    let ttl = Duration::from_millis(TTL_MS);
    let rows = Rows::default();
    let cached = Cached::builder("rows", rows.clone())
        .ttl(ttl)
        .negative_ttl(ttl)
        .build();
    let (ctx, mut memory) = (Ctx::root(), Memory::new());
    for step in steps {
        match step {
            Step::Get(key) => {
                let hit = cached.get(&ctx, &key).await.expect("rows never fail");
                agrees(&mut memory, &rows, key, hit.map(|hit| *hit), reached)?;
            }
            Step::GetMany(keys) => {
                let found = cached.get_many(&ctx, &keys).await.expect("rows never fail");
                for key in keys {
                    let hit = found.get(&key);
                    agrees(&mut memory, &rows, key, hit.map(|hit| **hit), reached)?;
                }
            }
            Step::Update(key, value) => {
                let write = async {
                    rows.set(key, value);
                    Ok::<_, Infallible>(())
                };
                cached
                    .update(&ctx, &key, write)
                    .await
                    .expect("rows never fail");
                memory.entry(key).or_default().last = None;
            }
            Step::Write(key, value) => rows.set(key, value),
            Step::Invalidate(key) => {
                assert!(cached.invalidate(&key).await);
                memory.entry(key).or_default().last = None;
            }
            Step::Advance { ms } => advance(Duration::from_millis(ms)).await,
        }
    }
    Ok(())
}

/// What is surely fresh is not loaded again, what is surely old is, and in the tenth of the time that
/// is left to chance either will do. What was loaded is what the rows say, and else it is what was
/// remembered.
fn agrees(
    memory: &mut Memory,
    rows: &Rows,
    key: u32,
    value: Option<u64>,
    reached: &[Cell<u32>; 2],
) -> TestCaseResult {
    let loads = rows.loads(key);
    let remembered = memory.entry(key).or_default();
    let was_loaded = loads != remembered.loads;
    remembered.loads = loads;
    let age = remembered.last.map(|(_, at)| at.elapsed().as_millis());
    if was_loaded {
        prop_assert!(
            age.is_none_or(|age| age >= u128::from(TTL_MS * 9 / 10)),
            "{age:?}"
        );
        prop_assert_eq!(value, rows.read(key));
        remembered.last = Some((value, Instant::now()));
    } else {
        prop_assert!(age.is_some_and(|age| age < u128::from(TTL_MS)), "{age:?}");
        prop_assert_eq!(Some(value), remembered.last.map(|(value, _)| value));
    }
    let times = &reached[usize::from(was_loaded)];
    times.set(times.get() + 1);
    Ok(())
}
