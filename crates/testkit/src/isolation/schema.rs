//! A schema of a test's own in the shared Postgres.

use std::fmt;
use std::thread;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{name, shared_url};

/// The server gives up a lock after this: a schema that a forgotten transaction holds is left to
/// the next run's sweep.
const LOCK_BOUND: &str = "SET lock_timeout = '10s'";

/// Makes a schema of its own in the Postgres of `TEST_DATABASE_URL`, and runs the migrations there
/// if there are any.
///
/// # Panics
///
/// When `TEST_DATABASE_URL` is not set, nobody answers there, or a migration fails. The message
/// says what to do.
///
/// # Performance
///
/// Some ten milliseconds and the migrations, in which the calling thread is blocked. The
/// connection is made on a thread of its own, so the test's runtime and its clock do not matter.
///
/// # Examples
///
/// ```no_run
/// # async fn example(migrations: &sqlx::migrate::Migrator) -> Result<(), sqlx::Error> {
/// let schema = testkit::postgres(migrations); // or `testkit::postgres(None)`
/// let pool = sqlx::PgPool::connect(schema.url()).await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn postgres<'a>(migrations: impl Into<Option<&'a Migrator>>) -> Schema {
    let example = "postgres://postgres@127.0.0.1:5432/postgres";
    let shared = shared_url("TEST_DATABASE_URL", "postgres", example);
    Schema::at(&shared, migrations.into())
}

/// A schema, from [`postgres`](fn@postgres).
///
/// When it is dropped, it is dropped on the server too, with all that is in it. When that is
/// because the test has failed, it stays, and the command to look at it is printed.
pub struct Schema {
    url: String,
    name: String,
}

impl Schema {
    /// The URL of the server, with the `search_path` set: a name without a schema is one in this.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The name of the schema: `testkit_..._...`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is printed names the variable: the URL may hold a password.
    fn at(shared: &str, migrations: Option<&Migrator>) -> Self {
        let name = name::unique();
        let schema = Self {
            url: with_search_path(shared, &name),
            name,
        };
        if let Err(error) = on_own_thread(async || schema.create(migrations).await) {
            panic!("a schema in the database of TEST_DATABASE_URL failed: {error}");
        }
        schema
    }

    /// The command that shows the schema.
    fn look(&self) -> String {
        format!(
            r#"PGOPTIONS='-c search_path={}' psql "$TEST_DATABASE_URL""#,
            self.name
        )
    }

    async fn create(&self, migrations: Option<&Migrator>) -> Result<(), MigrateError> {
        let mut connection = PgConnection::connect(&self.url).await?;
        execute(&mut connection, format!("CREATE SCHEMA {}", self.name)).await?;
        if let Some(migrations) = migrations {
            migrations.run(&mut connection).await?;
        }
        sweep(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }

    async fn remove(&self) -> Result<(), sqlx::Error> {
        let mut connection = PgConnection::connect(&self.url).await?;
        execute(&mut connection, LOCK_BOUND.to_owned()).await?;
        drop_schema(&mut connection, &self.name).await?;
        connection.close().await
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let name = &self.name;
        if thread::panicking() {
            eprintln!("the test's schema is kept: {}", self.look());
        } else if let Err(error) = on_own_thread(async || self.remove().await) {
            eprintln!("the schema {name} was not dropped: {error}");
        }
    }
}

/// Drops what killed tests have left behind.
async fn sweep(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let names: Vec<String> = sqlx::query_scalar("SELECT nspname::text FROM pg_namespace")
        .fetch_all(&mut *connection)
        .await?;
    for name in names.iter().filter(|name| name::is_left_behind(name)) {
        // It may fail where another test sweeps too: then that one has dropped it.
        let _ = drop_schema(connection, name).await;
    }
    Ok(())
}

async fn drop_schema(connection: &mut PgConnection, name: &str) -> Result<(), sqlx::Error> {
    execute(connection, format!("DROP SCHEMA IF EXISTS {name} CASCADE")).await
}

/// Each name in `sql` is of our own making: letters, digits and `_`.
async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await?;
    Ok(())
}

fn with_search_path(url: &str, schema: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}options=-c%20search_path%3D{schema}")
}

/// Blocks until `work` is done. A drop cannot await, and the test's own runtime may be the one
/// that waits for the drop.
fn on_own_thread<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> T {
    let run = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime needs one descriptor or two")
            .block_on(work())
    };
    let done = thread::scope(|scope| scope.spawn(run).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::*;

    #[test]
    fn a_password_is_in_nothing_that_is_printed() {
        // Nobody listens on port 1.
        let url = "postgres://me:hidden@127.0.0.1:1/app";
        let died = panic::catch_unwind(|| Schema::at(url, None)).expect_err("nobody answers");
        let words = died.downcast::<String>().expect("a formatted message");
        let schema = Schema {
            url: with_search_path(url, "mine"),
            name: "mine".to_owned(),
        };
        for text in [*words, schema.look(), format!("{schema:?}")] {
            assert!(!text.contains("hidden"), "{text}");
        }
        let look = r#"PGOPTIONS='-c search_path=mine' psql "$TEST_DATABASE_URL""#;
        assert_eq!(schema.look(), look);
    }

    #[test]
    fn the_search_path_joins_the_options_that_a_url_has() {
        let options = "options=-c%20search_path%3Dmine";
        for (url, expected) in [
            (
                "postgres://host/db",
                format!("postgres://host/db?{options}"),
            ),
            (
                "postgres://host/db?sslmode=disable",
                format!("postgres://host/db?sslmode=disable&{options}"),
            ),
        ] {
            assert_eq!(with_search_path(url, "mine"), expected);
        }
    }
}
