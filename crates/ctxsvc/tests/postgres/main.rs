//! Queries that end with their context, on a real Postgres.

#![cfg(unix)]

#[path = "../promises/spans.rs"]
mod spans;

use std::time::Duration;

use ctxsvc::{Ctx, Done, stops_when_abandoned};
use futures_util::TryStreamExt;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Executor, query, query_scalar};
use testkit::{Link, Proxy, Schema, every_await, wait_for};
use tokio::time::timeout;
use tracing_subscriber::layer::SubscriberExt;

/// No test waits longer, and no query of theirs ends by itself.
const BOUND: Duration = Duration::from_secs(30);

const ENDLESS: &str = "SELECT pg_sleep(3600)";

/// Longer than any query of theirs that is to come to its end.
const ENOUGH: Duration = Duration::from_secs(30);

/// Whoever asks for it has to wait: an answer that is there at once is no await.
const SLOW: &str = "SELECT pg_sleep(0.01)";

const BRIEF: Duration = Duration::from_millis(50);

struct Stand {
    pool: PgPool,
    /// To look from outside.
    watch: PgPool,
    /// By what the server knows the connections of `pool`.
    name: String,
    _schema: Schema,
}

impl Stand {
    async fn with(connections: u32) -> Self {
        let schema = testkit::postgres(None);
        let url = schema.url().to_owned();
        Self::at(&url, schema, connections).await
    }

    async fn behind_a_proxy(connections: u32) -> (Self, Proxy) {
        let schema = testkit::postgres(None);
        let (proxy, url) = Proxy::before(schema.url()).expect("a free port");
        (Self::at(&url, schema, connections).await, proxy)
    }

    async fn at(url: &str, schema: Schema, connections: u32) -> Self {
        let name = format!("ctxsvc_{}", schema.name());
        let options: PgConnectOptions = url.parse().expect("a URL");
        let options = stops_when_abandoned(options.application_name(&name));
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .connect_with(options)
            .await
            .expect("the server answers");
        let watch = PgPoolOptions::new()
            .max_connections(1)
            .connect(schema.url())
            .await
            .expect("the server answers");
        pool.execute("CREATE TABLE IF NOT EXISTS notes (id INT PRIMARY KEY)")
            .await
            .expect("a table");
        Self {
            pool,
            watch,
            name,
            _schema: schema,
        }
    }

    /// How many connections of the pool are in a state, as the server sees it.
    async fn connections(&self, state: &str) -> i64 {
        query_scalar(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = $1 AND state = $2",
        )
        .bind(&self.name)
        .bind(state)
        .fetch_one(&self.watch)
        .await
        .expect("the server answers")
    }

    async fn wait_until_asked(&self) {
        let asked = async || match self.connections("active").await {
            0 => Err("nothing runs"),
            _ => Ok(()),
        };
        wait_for(asked, BOUND).await;
    }

    /// At the server nothing runs and no transaction is open, and the pool has all it ever had.
    async fn comes_to_rest(&self) {
        self.is_at_rest().await;
        // None is lost.
        let most = self.pool.options().get_max_connections();
        let mut all = Vec::new();
        for _ in 0..most {
            let connection = timeout(BOUND, self.pool.acquire()).await;
            all.push(
                connection
                    .expect("there are as many as ever")
                    .expect("the server answers"),
            );
        }
        drop(all);
        self.is_at_rest().await;
    }

    async fn is_at_rest(&self) {
        let at_rest = async || {
            let active = self.connections("active").await;
            let open = self.connections("idle in transaction").await
                + self.connections("idle in transaction (aborted)").await;
            let (size, idle) = (self.pool.size() as usize, self.pool.num_idle());
            if (active, open, size - idle) == (0, 0, 0) {
                Ok(())
            } else {
                Err(format!(
                    "{active} active, {open} open, {idle} of {size} idle"
                ))
            }
        };
        wait_for(at_rest, BOUND).await;
    }

    async fn notes(&self) -> i64 {
        let count = query_scalar("SELECT COUNT(*) FROM notes").fetch_one(&self.pool);
        count.await.expect("the server answers")
    }
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn a_query_that_nobody_waits_for_stops_at_the_server() {
    let stand = Stand::with(1).await;

    let ctx = Ctx::root().with_timeout(BRIEF);
    let late = query(ENDLESS)
        .execute(ctx.on(&stand.pool))
        .await
        .unwrap_err();
    assert!(Done::find(&late).is_some_and(Done::is_timeout), "{late}");
    stand.comes_to_rest().await;

    let (ctx, guard) = Ctx::root().cancellable();
    let on_pool = ctx.on(&stand.pool);
    let asked = tokio::spawn(async move { query(ENDLESS).execute(on_pool).await.map(drop) });
    stand.wait_until_asked().await;
    guard.cancel_because("the client has gone");
    let gone = asked.await.expect("no panic").unwrap_err();
    let done = Done::find(&gone).expect("the context is over");
    assert_eq!(
        done.cause().map(ToString::to_string).as_deref(),
        Some("the client has gone")
    );
    stand.comes_to_rest().await;

    let on_pool = Ctx::root().on(&stand.pool);
    let asked = tokio::spawn(async move { query(ENDLESS).execute(on_pool).await.map(drop) });
    stand.wait_until_asked().await;
    asked.abort();
    stand.comes_to_rest().await;
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn a_query_that_is_answered_costs_no_connection() {
    let stand = Stand::with(1).await;
    let ctx = Ctx::root().with_timeout(ENOUGH);
    let backend = async || -> i32 {
        let pid = query_scalar("SELECT pg_backend_pid()").fetch_one(ctx.on(&stand.pool));
        pid.await.expect("an answer")
    };
    let first = backend().await;

    query("INSERT INTO notes VALUES (1)")
        .execute(ctx.on(&stand.pool))
        .await
        .expect("new");
    let twice = query("INSERT INTO notes VALUES (1)")
        .execute(ctx.on(&stand.pool))
        .await;
    let twice = twice.unwrap_err();
    assert!(
        twice
            .as_database_error()
            .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    );
    assert!(Done::find(&twice).is_none());
    // The first row is wanted, and the others have to be out of the way for the next query.
    let one: i32 = query_scalar("SELECT n FROM generate_series(1, 1000) AS n")
        .fetch_one(ctx.on(&stand.pool))
        .await
        .expect("rows");
    assert_eq!(one, 1);
    let all: Vec<i32> = query_scalar::<_, i32>("SELECT n FROM generate_series(1, 1000) AS n")
        .fetch(ctx.on(&stand.pool))
        .try_collect()
        .await
        .expect("rows");
    assert_eq!(all, (1..=1000).collect::<Vec<_>>());
    let mut transaction = ctx.begin(&stand.pool).await.expect("a transaction");
    query("INSERT INTO notes VALUES (1)")
        .execute(&mut transaction)
        .await
        .unwrap_err();
    drop(transaction);

    assert_eq!(backend().await, first);
    stand.comes_to_rest().await;
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn a_query_dropped_at_any_await_leaves_the_pool_whole() {
    let stand = Stand::with(2).await;
    let ctx = Ctx::root().with_timeout(ENOUGH);
    let awaits = every_await(
        async || {
            query(SLOW)
                .fetch_one(ctx.on(&stand.pool))
                .await
                .expect("an answer")
        },
        async |_at| stand.comes_to_rest().await,
    )
    .await;
    assert!(awaits > 0);
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn a_transaction_dropped_at_any_await_leaves_nothing_behind() {
    let stand = Stand::with(1).await;
    let ctx = Ctx::root().with_timeout(ENOUGH);
    let awaits = every_await(
        async || {
            let mut transaction = ctx.begin(&stand.pool).await.expect("a transaction");
            query("INSERT INTO notes VALUES (1)")
                .execute(&mut transaction)
                .await
                .expect("new");
            query(SLOW)
                .execute(&mut transaction)
                .await
                .expect("an answer");
            transaction.rollback().await.expect("an answer");
        },
        async |_at| {
            stand.comes_to_rest().await;
            assert_eq!(stand.notes().await, 0);
        },
    )
    .await;
    assert!(awaits > 0);
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn a_transaction_is_committed_or_rolled_back_whatever_ends_it() {
    let stand = Stand::with(1).await;
    let ctx = Ctx::root().with_timeout(ENOUGH);

    let mut committed = ctx.begin(&stand.pool).await.expect("a transaction");
    query("INSERT INTO notes VALUES (1)")
        .execute(&mut committed)
        .await
        .expect("new");
    committed.commit().await.expect("an answer");
    assert_eq!(stand.notes().await, 1);

    let mut dropped = ctx.begin(&stand.pool).await.expect("a transaction");
    query("INSERT INTO notes VALUES (2)")
        .execute(&mut dropped)
        .await
        .expect("new");
    drop(dropped);
    stand.comes_to_rest().await;
    assert_eq!(stand.notes().await, 1);

    let (brief, guard) = ctx.cancellable();
    let mut late = brief.begin(&stand.pool).await.expect("a transaction");
    query("INSERT INTO notes VALUES (3)")
        .execute(&mut late)
        .await
        .expect("new");
    guard.cancel();
    let over = late.commit().await.unwrap_err();
    assert!(Done::find(&over).is_some_and(Done::is_cancelled), "{over}");
    stand.comes_to_rest().await;
    assert_eq!(stand.notes().await, 1);
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn a_transaction_whose_query_was_dropped_does_nothing_more() {
    let stand = Stand::with(1).await;
    let ctx = Ctx::root().with_timeout(ENOUGH);
    let mut transaction = ctx.begin(&stand.pool).await.expect("a transaction");
    query("INSERT INTO notes VALUES (1)")
        .execute(&mut transaction)
        .await
        .expect("new");
    let rows = query("SELECT n FROM generate_series(1, 1000) AS n").fetch(&mut transaction);
    assert!({ rows }.try_next().await.expect("rows").is_some());
    let late = query("INSERT INTO notes VALUES (2)").execute(&mut transaction);
    let late = late.await.unwrap_err();
    assert!(Done::find(&late).is_none(), "{late}");
    transaction.commit().await.unwrap_err();
    stand.comes_to_rest().await;
    assert_eq!(stand.notes().await, 0);
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn a_pool_whose_connections_went_silent_works_again() {
    let (stand, proxy) = Stand::behind_a_proxy(4).await;
    stand.comes_to_rest().await;

    proxy.set(Link::Blackhole);
    let ctx = Ctx::root().with_timeout(BRIEF);
    let asked = (0..4).map(|_| query("SELECT 1").execute(ctx.on(&stand.pool)));
    for answer in futures_util::future::join_all(asked).await {
        assert!(Done::find(&answer.unwrap_err()).is_some_and(Done::is_timeout));
    }
    // As a firewall does that has forgotten them: what is new gets through.
    proxy.orphan();
    proxy.set(Link::Pass);
    stand.comes_to_rest().await;
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn a_connection_that_goes_silent_on_its_way_back_is_not_missed() {
    let (stand, proxy) = Stand::behind_a_proxy(1).await;
    let ctx = Ctx::root().with_timeout(ENOUGH);
    query("SELECT 1")
        .execute(ctx.on(&stand.pool))
        .await
        .expect("an answer");
    // This thread has not begun yet to put it back.
    proxy.set(Link::Blackhole);
    let is_asked = async || match stand.pool.num_idle() {
        0 => Ok(()),
        idle => Err(format!("{idle} idle")),
    };
    wait_for(is_asked, BOUND).await;
    proxy.orphan();
    proxy.set(Link::Pass);
    stand.comes_to_rest().await;
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn the_span_of_a_query_says_where_its_database_is_and_what_it_has_said() {
    let stand = Stand::with(1).await;
    let spans = spans::Spans::default();
    let registry = tracing_subscriber::registry().with(spans.clone());
    let _default = tracing::subscriber::set_default(registry);
    let select = query("SELECT 1 / $1::int").bind(0);
    let error = select.execute(Ctx::root().on(&stand.pool)).await;
    error.expect_err("it is divided by zero");
    let options = stand.pool.connect_options();
    let begins = format!(
        "sql in nothing: otel.kind=\"client\" db.system.name=\"postgresql\" db.namespace={:?} server.address={:?}",
        options.get_database().expect("it has a name"),
        options.get_host(),
    );
    let lines = spans.lines();
    assert!(
        lines[0].starts_with(&begins),
        "{lines:?} begin not with {begins}"
    );
    let rest = [
        "sql: otel.name=\"SELECT\"",
        "sql: db.operation.name=\"SELECT\"",
        "sql: error.type=\"22012\"",
        "sql: db.response.status_code=\"22012\"",
    ];
    assert_eq!(lines[1..], rest);
}
