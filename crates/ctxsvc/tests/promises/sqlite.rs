//! Queries that end with their context, on SQLite.

use std::time::Duration;

use ctxsvc::{Ctx, Done};
use futures_util::TryStreamExt;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArgumentsBuffer, SqlitePool, SqlitePoolOptions, SqliteTypeInfo};
use sqlx::{Sqlite, query, query_scalar};
use testkit::{every_await, wait_for};
use tokio::time::timeout;

const BOUND: Duration = Duration::from_secs(30);

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n";

const ROWS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000) SELECT i FROM n";

/// Whoever asks for it has to wait: an answer that is there at once is no await.
const SLOW: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000) SELECT COUNT(*) FROM n";

const BRIEF: Duration = Duration::from_millis(20);

/// A database in memory. It is gone with its only connection, so nothing may replace that one.
async fn pool() -> SqlitePool {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect("sqlite::memory:")
        .await
        .expect("memory");
    let table = query("CREATE TABLE notes (id INTEGER PRIMARY KEY)");
    table.execute(&pool).await.expect("a table");
    pool
}

/// Nothing is under way, and the table is still there.
async fn notes(pool: &SqlitePool) -> i64 {
    let at_rest = async || match pool.num_idle() {
        1 => Ok(()),
        idle => Err(format!("{idle} of 1 idle")),
    };
    wait_for(at_rest, BOUND).await;
    let count = query_scalar("SELECT COUNT(*) FROM notes").fetch_one(pool);
    count.await.expect("the same database")
}

#[tokio::test]
async fn a_query_that_nobody_waits_for_is_interrupted_and_the_database_kept() {
    let pool = pool().await;

    let ctx = Ctx::root().with_timeout(BRIEF);
    let late = query(ENDLESS).execute(ctx.on(&pool)).await.unwrap_err();
    assert!(Done::find(&late).is_some_and(Done::is_timeout), "{late}");
    assert_eq!(notes(&pool).await, 0);

    let on_pool = Ctx::root().on(&pool);
    let asked = tokio::spawn(async move { query(ENDLESS).execute(on_pool).await.map(drop) });
    let under_way = async || match pool.num_idle() {
        0 => Ok(()),
        idle => Err(format!("{idle} idle")),
    };
    wait_for(under_way, BOUND).await;
    asked.abort();
    assert_eq!(notes(&pool).await, 0);
}

#[tokio::test]
async fn what_comes_after_an_interrupted_query_is_not_interrupted() {
    let pool = pool().await;
    for _ in 0..20 {
        let ctx = Ctx::root().with_timeout(Duration::from_millis(2));
        query(ENDLESS).execute(ctx.on(&pool)).await.unwrap_err();
        let rows: Vec<i64> = query_scalar::<_, i64>(ROWS)
            .fetch(Ctx::root().on(&pool))
            .try_collect()
            .await
            .expect("all of them");
        assert_eq!(rows, (1..=1000).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_context_that_is_over_asks_nothing() {
    let pool = pool().await;
    let (ctx, guard) = Ctx::root().cancellable();
    guard.cancel();
    let refused = query("INSERT INTO notes VALUES (1)")
        .execute(ctx.on(&pool))
        .await;
    assert!(Done::find(&refused.unwrap_err()).is_some_and(Done::is_cancelled));
    assert!(ctx.begin(&pool).await.is_err());
    assert_eq!(notes(&pool).await, 0);
}

#[tokio::test]
async fn a_transaction_dropped_at_any_await_leaves_nothing_behind() {
    let pool = pool().await;
    let ctx = Ctx::root().with_timeout(BOUND);
    let awaits = every_await(
        async || {
            let mut transaction = ctx.begin(&pool).await.expect("a transaction");
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
        async |_at| assert_eq!(notes(&pool).await, 0),
    )
    .await;
    assert!(awaits > 0);
}

#[tokio::test]
async fn a_transaction_whose_query_was_interrupted_is_rolled_back() {
    let pool = pool().await;
    let (ctx, guard) = Ctx::root().cancellable();
    let mut transaction = ctx.begin(&pool).await.expect("a transaction");
    query("INSERT INTO notes VALUES (1)")
        .execute(&mut transaction)
        .await
        .expect("new");
    let asked = tokio::spawn(async move {
        let endless = query(ENDLESS).execute(&mut transaction).await.map(drop);
        (endless, transaction.commit().await)
    });
    tokio::task::yield_now().await;
    guard.cancel();
    let (endless, committed) = asked.await.expect("no panic");
    assert!(Done::find(&endless.unwrap_err()).is_some_and(Done::is_cancelled));
    assert!(Done::find(&committed.unwrap_err()).is_some_and(Done::is_cancelled));
    assert_eq!(notes(&pool).await, 0);
}

#[tokio::test]
async fn a_transaction_whose_query_was_dropped_does_nothing_more() {
    let pool = pool().await;
    // Its end is not what ends the queries.
    let ctx = Ctx::root().with_timeout(BOUND);
    let insert = "INSERT INTO notes (id) VALUES (NULL)";

    let mut transaction = ctx.begin(&pool).await.expect("a transaction");
    query(insert).execute(&mut transaction).await.expect("new");
    let dropped = timeout(BRIEF, query(ENDLESS).execute(&mut transaction)).await;
    assert!(dropped.is_err());
    for _ in 0..2 {
        let late = query(insert).execute(&mut transaction).await.unwrap_err();
        assert!(Done::find(&late).is_none(), "{late}");
    }
    let late = transaction.rollback().await.unwrap_err();
    assert!(Done::find(&late).is_none(), "{late}");
    assert_eq!(notes(&pool).await, 0);

    let mut transaction = ctx.begin(&pool).await.expect("a transaction");
    query(insert).execute(&mut transaction).await.expect("new");
    let mut rows = query(ROWS).fetch(&mut transaction);
    assert!(rows.try_next().await.expect("rows").is_some());
    drop(rows);
    transaction.commit().await.unwrap_err();
    assert_eq!(notes(&pool).await, 0);
}

#[test]
fn a_transaction_dropped_outside_of_a_runtime_keeps_the_database() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().build().expect("a runtime");
    let pool = runtime.block_on(pool());
    let transaction = runtime.block_on(async {
        let ctx = Ctx::root().with_timeout(BOUND);
        let mut transaction = ctx.begin(&pool).await.expect("a transaction");
        query("INSERT INTO notes VALUES (1)")
            .execute(&mut transaction)
            .await
            .expect("new");
        transaction
    });
    drop(transaction);
    assert_eq!(runtime.block_on(notes(&pool)), 0);
}

#[tokio::test]
async fn what_the_database_says_goes_through() {
    let pool = pool().await;
    let ctx = Ctx::root().with_timeout(BOUND);
    let mut transaction = ctx.begin(&pool).await.expect("a transaction");
    query("INSERT INTO notes VALUES (1)")
        .execute(&mut transaction)
        .await
        .expect("new");
    transaction.commit().await.expect("an answer");
    let twice = query("INSERT INTO notes VALUES (1)")
        .execute(ctx.on(&pool))
        .await;
    let twice = twice.unwrap_err();
    assert!(
        twice
            .as_database_error()
            .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    );
    assert!(Done::find(&twice).is_none());
    let missing = query("SELECT 1 WHERE 1 = 2").fetch_one(ctx.on(&pool)).await;
    assert!(matches!(missing, Err(sqlx::Error::RowNotFound)));
    assert_eq!(notes(&pool).await, 1);
}

/// What no database can be asked with.
struct Unwritable;

impl sqlx::Type<Sqlite> for Unwritable {
    fn type_info() -> SqliteTypeInfo {
        <i64 as sqlx::Type<Sqlite>>::type_info()
    }
}

impl sqlx::Encode<'_, Sqlite> for Unwritable {
    fn encode_by_ref(&self, _: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        Err("it can't be written".into())
    }
}

#[tokio::test]
async fn a_transaction_goes_on_after_a_value_that_can_not_be_written() {
    let pool = pool().await;
    let mut transaction = Ctx::root().begin(&pool).await.expect("a transaction");
    let refused = query("INSERT INTO notes VALUES ($1)")
        .bind(Unwritable)
        .execute(&mut transaction)
        .await;
    assert!(
        matches!(refused, Err(sqlx::Error::Encode(_))),
        "{refused:?}"
    );
    query("INSERT INTO notes VALUES (1)")
        .execute(&mut transaction)
        .await
        .expect("nothing was asked before");
    transaction.commit().await.expect("an answer");
    assert_eq!(notes(&pool).await, 1);
}
