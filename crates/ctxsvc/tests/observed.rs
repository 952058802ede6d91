//! What a cache tells the crates `metrics` and `tracing`: what the book lists, and nothing of a key
//! or of a value.

#[path = "promises/spans.rs"]
mod spans;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex};

use ctxsvc::{Cached, Ctx, Load};
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit, with_local_recorder,
};
use spans::Spans;
use tracing::span::Attributes;
use tracing::{Id, Subscriber, info_span, subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

const CANARY: &str = "canary";

/// Knows what begins with the canary, and fails for what is called so.
struct Birds;

impl Load for Birds {
    type Key = String;
    type Value = String;
    type Error = io::Error;

    async fn load(&self, _ctx: &Ctx, key: &String) -> io::Result<Option<String>> {
        if key.ends_with("fails") {
            return Err(io::Error::other(format!("{CANARY} of the repository")));
        }
        Ok(key.ends_with("known").then(|| format!("{CANARY} sings")))
    }
}

fn key(ending: &str) -> String {
    format!("{CANARY} {ending}")
}

/// The sum of each metric; of a histogram, how often it was written.
#[derive(Clone, Default)]
struct Sums(Arc<Mutex<BTreeMap<String, u64>>>);

struct Sum(Sums, String);

impl Sum {
    fn add(&self, more: u64) {
        let mut sums = self.0.0.lock().expect("nobody panics here");
        *sums.entry(self.1.clone()).or_default() += more;
    }
}

impl CounterFn for Sum {
    fn increment(&self, more: u64) {
        self.add(more);
    }

    fn absolute(&self, _: u64) {
        panic!("a counter counts");
    }
}

impl HistogramFn for Sum {
    fn record(&self, seconds: f64) {
        assert!((0.0..60.0).contains(&seconds), "{}: {seconds} s", self.1);
        self.add(1);
    }
}

impl Sums {
    fn of(&self, key: &Key) -> Arc<Sum> {
        let labels = key
            .labels()
            .map(|it| format!("{}={}", it.key(), it.value()));
        let labels: Vec<_> = labels.collect();
        let name = format!("{} {}", key.name(), labels.join(" "));
        Arc::new(Sum(self.clone(), name))
    }

    fn read(&self) -> Vec<(String, u64)> {
        let sums = self.0.lock().expect("nobody panics here");
        sums.iter()
            .map(|(name, sum)| (name.clone(), *sum))
            .collect()
    }
}

impl Recorder for Sums {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.of(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("there is no gauge: {}", key.name());
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.of(key))
    }
}

#[tokio::test]
async fn each_answer_is_counted_once_by_where_it_is_from() {
    // Whoever meets a callsite first without a subscriber switches it off, also for the tests that
    // run beside this one.
    let _default = subscriber::set_default(Registry::default());
    let sums = Sums::default();
    let birds = with_local_recorder(&sums, || Cached::builder("birds", Birds).build());
    let ctx = Ctx::root();
    for _ in 0..3 {
        birds.get(&ctx, &key("known")).await.expect("it is known");
    }
    for _ in 0..2 {
        birds.get(&ctx, &key("absent")).await.expect("an answer");
        birds.get(&ctx, &key("fails")).await.unwrap_err();
    }
    let keys = ["known", "absent", "other known"].map(key);
    birds.get_many(&ctx, &keys).await.expect("an answer");
    birds.invalidate(&key("known")).await;

    let requests = |level, result| {
        format!("cache.requests cache.name=birds cache.level={level} cache.result={result}")
    };
    let loads = |result| format!("cache.load.duration cache.name=birds cache.result={result}");
    let expected = [
        ("cache.invalidations cache.name=birds".to_owned(), 1),
        (loads("failed"), 1),
        (loads("ok"), 3),
        (requests("memory", "absent"), 2),
        (requests("memory", "hit"), 3),
        (requests("origin", "absent"), 1),
        (requests("origin", "error"), 2),
        (requests("origin", "hit"), 2),
    ];
    assert_eq!(sums.read(), expected);
    assert!(!format!("{:?}", sums.read()).contains(CANARY));
}

/// The words in backticks.
fn marked(text: &str) -> BTreeSet<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_book_lists_the_metrics_and_the_words_of_their_labels_and_no_others() {
    let series = Series::default();
    with_local_recorder(&series, || Cached::builder("birds", Birds).build());
    let mut words = series.0.lock().expect("nobody panics here").clone();
    assert!(words.remove("birds"), "the name of the cache is in a label");
    let book = include_str!("../../../docs/src/ctxsvc/operations.md");
    let table = book.lines().filter(|line| line.starts_with("| `cache."));
    assert_eq!(marked(&table.collect::<String>()), words);
}

#[tokio::test]
async fn the_book_lists_the_spans_and_their_fields() {
    let names = Names::default();
    let _default = subscriber::set_default(Registry::default().with(names.clone()));
    let birds = Cached::builder("birds", Birds).build();
    birds
        .get(&Ctx::root(), &key("known"))
        .await
        .expect("an answer");
    let pool = sqlite().await;
    let select = sqlx::query("SELECT 1").execute(Ctx::root().on(&pool));
    select.await.expect("an answer");
    let names = names.0.lock().expect("nobody panics here");
    let book = marked(include_str!("../../../docs/src/ctxsvc/operations.md"));
    assert!(names.contains("sql") && names.is_subset(&book), "{names:?}");
}

/// The words of all metrics that were registered: their names, and the names and values of labels.
#[derive(Clone, Default)]
struct Series(Arc<Mutex<BTreeSet<String>>>);

impl Series {
    fn add(&self, key: &Key) {
        let labels = key.labels().flat_map(|it| [it.key(), it.value()]);
        let words = [key.name()].into_iter().chain(labels);
        let mut series = self.0.lock().expect("nobody panics here");
        series.extend(words.map(str::to_owned));
    }
}

impl Recorder for Series {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.add(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.add(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.add(key);
        Histogram::noop()
    }
}

/// The names of all spans, and of their fields.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<BTreeSet<String>>>);

impl<S: Subscriber> Layer<S> for Names {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let span = attributes.metadata();
        let mut names = self.0.lock().expect("nobody panics here");
        names.insert(span.name().to_owned());
        names.extend(span.fields().iter().map(|field| field.name().to_owned()));
    }
}

#[tokio::test]
async fn a_load_has_a_span_of_its_own_that_follows_from_its_leaders_and_a_hit_has_none() {
    let spans = Spans::default();
    let _default = subscriber::set_default(Registry::default().with(spans.clone()));
    let birds = Cached::builder("birds", Birds).build();
    let ctx = Ctx::root();
    {
        let _request = info_span!("request").entered();
        // What is ready at once is loaded by the poll of who asks.
        let mut asked = Box::pin(async {
            birds.get(&ctx, &key("known")).await.expect("it is known");
            birds.get(&ctx, &key("known")).await.expect("from memory");
            birds.get(&ctx, &key("fails")).await.unwrap_err();
            let many = ["a", "b"].map(key);
            birds.get_many(&ctx, &many).await.expect("an answer");
        });
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(asked.as_mut().poll(&mut cx).is_ready());
    }
    let load = |keys| format!("cache.load in nothing: cache.name=\"birds\" cache.keys={keys}");
    let linked = || "cache.load follows from request".to_owned();
    let expected = [
        "request in nothing:".to_owned(),
        load(1),
        linked(),
        load(1),
        linked(),
        "cache.load: error.type=\"failed\"".to_owned(),
        load(2),
        linked(),
    ];
    assert_eq!(spans.lines(), expected);
    assert!(!spans.lines().concat().contains(CANARY));
}

async fn sqlite() -> sqlx::SqlitePool {
    let options = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
    options.connect("sqlite::memory:").await.expect("memory")
}

#[tokio::test]
async fn a_query_has_a_span_that_says_what_it_does_and_what_came_of_it() {
    let (spans, pool) = (Spans::default(), sqlite().await);
    let _default = subscriber::set_default(Registry::default().with(spans.clone()));
    let ctx = Ctx::root();
    let sql = format!("insert INTO {CANARY} VALUES ('{CANARY}')");
    let insert = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(ctx.on(&pool));
    insert.await.expect_err("there is no such table");
    let mut transaction = ctx.begin(&pool).await.expect("begun");
    let select = sqlx::query_scalar("SELECT $1").bind(CANARY);
    let selected: String = select.fetch_one(&mut transaction).await.expect("a row");
    assert_eq!(selected, CANARY);
    transaction.commit().await.expect("committed");
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let brief = ctx.with_timeout(std::time::Duration::from_millis(20));
    let endless = sqlx::query(endless).fetch_all(brief.on(&pool));
    endless.await.expect_err("it has no end");

    let begins = "sql in nothing: otel.kind=\"client\" db.system.name=\"sqlite\"";
    let does = |operation: &str| {
        ["otel.name", "db.operation.name"].map(|field| format!("sql: {field}={operation:?}"))
    };
    let mut expected = Vec::new();
    for operation in ["INSERT", "BEGIN", "SELECT", "COMMIT"] {
        expected.push(begins.to_owned());
        expected.extend(does(operation));
        if operation == "INSERT" {
            expected.push("sql: error.type=\"1\"".to_owned());
            expected.push("sql: db.response.status_code=\"1\"".to_owned());
        }
    }
    expected.push(begins.to_owned());
    expected.push("sql: error.type=\"timeout\"".to_owned());
    assert_eq!(spans.lines(), expected);
}
