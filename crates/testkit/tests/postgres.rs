//! A schema of a test's own.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection};
use testkit::Schema;

/// Ten times what it should be.
const SLOW: Duration = Duration::from_millis(500);

async fn migrations() -> Migrator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/migrations");
    Migrator::new(folder)
        .await
        .expect("the migrations are there")
}

async fn connect(schema: &Schema) -> PgConnection {
    PgConnection::connect(schema.url())
        .await
        .expect("the server runs")
}

async fn exists(connection: &mut PgConnection, name: &str) -> bool {
    let query = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)";
    let exists = sqlx::query_scalar(query)
        .bind(name)
        .fetch_one(connection)
        .await;
    exists.expect("the server runs")
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn two_tests_share_no_table() {
    let migrations = migrations().await;
    let (ours, theirs) = (
        testkit::postgres(&migrations),
        testkit::postgres(&migrations),
    );
    let (mut us, mut them) = (connect(&ours).await, connect(&theirs).await);
    let insert = "INSERT INTO pet VALUES ('Rex')";
    for connection in [&mut us, &mut them] {
        sqlx::query(insert)
            .execute(connection)
            .await
            .expect("it is the first in its table");
    }
    assert!(
        sqlx::query(insert).execute(&mut us).await.is_err(),
        "the second in ours"
    );
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn a_schema_goes_with_its_test_and_stays_if_it_failed() {
    let witness = testkit::postgres(None);
    let mut connection = connect(&witness).await;
    for (fails, stays) in [(false, false), (true, true)] {
        let schema = testkit::postgres(None);
        let name = schema.name().to_owned();
        assert!(exists(&mut connection, &name).await);
        let test = panic::catch_unwind(AssertUnwindSafe(move || {
            let _schema = schema;
            assert!(!fails, "a test that fails");
        }));
        assert_eq!(test.is_err(), fails);
        assert_eq!(
            exists(&mut connection, &name).await,
            stays,
            "fails: {fails}"
        );
        let drop = sqlx::AssertSqlSafe(format!("DROP SCHEMA IF EXISTS {name}"));
        sqlx::query(drop)
            .execute(&mut connection)
            .await
            .expect("the name is ours");
    }
}

#[tokio::test]
#[ignore = "needs postgres"]
async fn a_schema_that_a_killed_test_left_behind_is_swept_by_the_next() {
    let witness = testkit::postgres(None);
    let mut connection = connect(&witness).await;
    let old = "testkit_1000_00ff";
    let create = "CREATE SCHEMA IF NOT EXISTS testkit_1000_00ff CREATE TABLE pet (name text)";
    // Another test may sweep at the same time, which is as good.
    let _ = sqlx::query(create).execute(&mut connection).await;
    drop(testkit::postgres(None));
    assert!(!exists(&mut connection, old).await);
    assert!(exists(&mut connection, witness.name()).await);
}

#[tokio::test(start_paused = true)]
#[ignore = "needs postgres"]
async fn a_schema_is_made_and_dropped_under_a_paused_clock_and_quickly() {
    let migrations = migrations().await;
    let mut figures = Vec::new();
    for _ in 0..9 {
        let began = Instant::now();
        let schema = testkit::postgres(None);
        let bare = began.elapsed();
        let began = Instant::now();
        let migrated = testkit::postgres(&migrations);
        let with_table = began.elapsed();
        let began = Instant::now();
        drop((schema, migrated));
        figures.push((bare, with_table, began.elapsed() / 2));
    }
    figures.sort();
    let (bare, with_table, dropped) = figures[figures.len() / 2];
    println!("a schema: {bare:.1?}, with a migration {with_table:.1?}, dropped {dropped:.1?}");
    assert!(bare < SLOW, "{bare:?}");
}
