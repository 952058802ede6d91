//! Users in SQLite.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ctxsvc::{Ctx, OnPool};
use errchain::Result;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{QueryBuilder, Sqlite};
use tokio::time::sleep;
use uuid::Uuid;

use super::error::{failed, is_busy};
use super::{UserStore, no_match, sql};
use crate::user::{Draft, User, now};

const WAIT_MAX: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(10);
const READERS: u32 = 4;

/// Users in an SQLite database: in a file in write-ahead mode, or in memory.
///
/// SQLite admits one writer at a time. Writers therefore queue for one connection, where they
/// are served in turn, and not at the file's lock, where they would have to poll.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteStore {
    /// Opens the database at a URL such as `sqlite://users.sqlite3`, and creates the file and the
    /// tables if they are missing.
    ///
    /// # Errors
    ///
    /// If the URL can't be read, the file can't be opened, or it holds something else.
    pub async fn open(url: &str) -> Result<Self, sqlx::Error> {
        let options: SqliteConnectOptions = url.parse()?;
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged write survives a loss of power too, not only the end of the process.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(WAIT_MAX);
        let writer = connect(&options, 1).await?;
        migrate(&writer).await?;
        let readers = connect(&options, READERS).await?;
        Ok(Self { writer, readers })
    }

    /// Opens a database that lives as long as the store.
    ///
    /// # Errors
    ///
    /// If SQLite refuses, which takes a machine without memory.
    pub async fn in_memory() -> Result<Self, sqlx::Error> {
        // The data goes with its only connection, so the pool must never replace it: neither for
        // its age nor because a caller has gone while it was tested.
        let writer = pool(1)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect("sqlite::memory:")
            .await?;
        migrate(&writer).await?;
        let readers = writer.clone();
        Ok(Self { writer, readers })
    }
}

impl SqliteStore {
    /// For changes, which end with the request that they are for.
    fn writing(&self) -> OnPool<Sqlite> {
        Ctx::current().on(&self.writer)
    }

    fn reading(&self) -> OnPool<Sqlite> {
        Ctx::current().on(&self.readers)
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(WAIT_MAX)
}

/// Opens a file, also while another process makes it. Of two that switch a new file to
/// write-ahead mode at once, SQLite tells one that the file is busy, and does not let it wait its
/// `busy_timeout`, since the other waits for it: <https://sqlite.org/c3ref/busy_handler.html>.
async fn connect(
    options: &SqliteConnectOptions,
    connections: u32,
) -> Result<SqlitePool, sqlx::Error> {
    let end = Instant::now() + WAIT_MAX;
    loop {
        match pool(connections).connect_with(options.clone()).await {
            Err(error) if is_busy(&error) && Instant::now() < end => sleep(PAUSE).await,
            opened => return opened,
        }
    }
}

/// Makes the tables. One process at a time looks and makes: sqlx's migrations in SQLite take no
/// lock of their own.
async fn migrate(pool: &SqlitePool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::migrate!("migrations/sqlite")
        .run_direct(None, &mut *transaction, false)
        .await?;
    transaction.commit().await
}

#[async_trait]
impl UserStore for SqliteStore {
    async fn insert(&self, user: &User) -> Result<()> {
        sqlx::query(sql::INSERT)
            .bind(user.id)
            .bind(&user.email)
            .bind(user.email.key())
            .bind(&user.name)
            .bind(user.version)
            .bind(user.created_at)
            .bind(user.updated_at)
            .execute(self.writing())
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn insert_free(&self, users: &[User]) -> Result<HashSet<Uuid>> {
        if users.is_empty() {
            return Ok(HashSet::new());
        }
        let mut insert: QueryBuilder<Sqlite> = QueryBuilder::new(
            "INSERT INTO users (id, email, email_key, name, version, created_at, updated_at) ",
        );
        insert.push_values(users, |mut row, user| {
            row.push_bind(user.id)
                .push_bind(&user.email)
                .push_bind(user.email.key())
                .push_bind(&user.name)
                .push_bind(user.version)
                .push_bind(user.created_at)
                .push_bind(user.updated_at);
        });
        insert.push(" ON CONFLICT (email_key) DO NOTHING RETURNING id");
        let stored = insert
            .build_query_scalar()
            .fetch_all(self.writing())
            .await
            .map_err(failed)?;
        Ok(stored.into_iter().collect())
    }

    async fn get(&self, id: Uuid) -> Result<User> {
        let user = sqlx::query_as(sql::GET)
            .bind(id)
            .fetch_one(self.reading())
            .await
            .map_err(failed)?;
        Ok(user)
    }

    async fn get_many(&self, ids: &[Uuid]) -> Result<Vec<User>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut select: QueryBuilder<Sqlite> =
            QueryBuilder::new("SELECT * FROM users WHERE id IN (");
        let mut separated = select.separated(", ");
        for id in ids {
            separated.push_bind(*id);
        }
        select.push(")");
        let select = select.build_query_as();
        select.fetch_all(self.reading()).await.map_err(failed)
    }

    async fn list(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<User>> {
        let users = sqlx::query_as(sql::LIST)
            .bind(after.unwrap_or(Uuid::nil()))
            .bind(i64::from(limit))
            .fetch_all(self.reading())
            .await
            .map_err(failed)?;
        Ok(users)
    }

    async fn update(&self, id: Uuid, expected: Option<i64>, draft: &Draft) -> Result<User> {
        let updated = sqlx::query_as(sql::UPDATE)
            .bind(id)
            .bind(expected)
            .bind(&draft.email)
            .bind(draft.email.key())
            .bind(&draft.name)
            .bind(now())
            .fetch_optional(self.writing())
            .await
            .map_err(failed)?;
        match updated {
            Some(user) => Ok(user),
            None => Err(no_match(self.get(id).await)),
        }
    }

    async fn delete(&self, id: Uuid, expected: Option<i64>) -> Result<()> {
        let deleted = sqlx::query(sql::DELETE)
            .bind(id)
            .bind(expected)
            .execute(self.writing())
            .await
            .map_err(failed)?;
        match deleted.rows_affected() {
            0 => Err(no_match(self.get(id).await)),
            _ => Ok(()),
        }
    }

    async fn ping(&self) -> Result<()> {
        sqlx::query(sql::PING)
            .execute(self.reading())
            .await
            .map_err(failed)?;
        Ok(())
    }

    async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: &str =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 200000)
        SELECT COUNT(*) FROM n";

    #[tokio::test]
    async fn what_is_acknowledged_is_on_disk() {
        let file = std::env::temp_dir().join(format!("demo-pragmas-{}", std::process::id()));
        let url = format!("sqlite://{}", file.display());
        let store = SqliteStore::open(&url).await.expect("a new file");
        let read = async |pragma| {
            let value: Result<String, _> =
                sqlx::query_scalar(pragma).fetch_one(&store.writer).await;
            value.expect("a text")
        };
        // 2 is FULL: https://sqlite.org/pragma.html#pragma_synchronous.
        let synchronous = "SELECT CAST(synchronous AS TEXT) FROM pragma_synchronous";
        assert_eq!(read(synchronous).await, "2");
        assert_eq!(
            read("SELECT journal_mode FROM pragma_journal_mode").await,
            "wal"
        );
        store.close().await;
        std::fs::remove_file(file).expect("closed");
    }

    #[tokio::test]
    async fn the_connection_that_is_the_memory_is_never_replaced() {
        let store = SqliteStore::in_memory().await.expect("memory");
        let options = store.writer.options();
        assert_eq!(options.get_idle_timeout(), None);
        assert_eq!(options.get_max_lifetime(), None);
        assert_eq!(options.get_max_connections(), 1);
        assert!(!options.get_test_before_acquire());
    }

    #[tokio::test]
    async fn callers_who_go_away_take_nothing_of_the_memory_with_them() {
        let store = SqliteStore::in_memory().await.expect("memory");
        let awaits = testkit::every_await(
            // An answer that is there at once would be no await.
            async || {
                sqlx::query(SLOW)
                    .fetch_one(&store.writer)
                    .await
                    .expect("a count")
            },
            async |at| assert_eq!(store.writer.size(), 1, "dropped at await {at}"),
        )
        .await;
        assert!(awaits > 0);
    }
}
