//! Users in PostgreSQL.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use ctxsvc::{Ctx, OnPool, stops_when_abandoned};
use errchain::Result;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Postgres};
use tokio::time::timeout;
use uuid::Uuid;

use super::error::failed;
use super::{UserStore, no_match, sql};
use crate::user::{Draft, User, now};

/// How long the server may work on a statement.
const STATEMENT_TIMEOUT: &str = "3s";
/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a caller waits in all: longer than both together, so that the database can still say
/// itself what is wrong.
const CALL_TIMEOUT: Duration = Duration::from_secs(6);
const CONNECTIONS: u32 = 10;

const INSERT_FREE: &str = "
    INSERT INTO users (id, email, email_key, name, version, created_at, updated_at)
    SELECT * FROM UNNEST
        ($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::timestamptz[], $7::timestamptz[])
    ON CONFLICT (email_key) DO NOTHING
    RETURNING id";

/// Users in a PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    pool: PgPool,
}

impl PostgresStore {
    /// Connects to the database at a URL such as `postgres://user:password@host/database`, and
    /// creates the tables if they are missing.
    ///
    /// # Errors
    ///
    /// If the URL can't be read, or no server answers there.
    pub async fn connect(url: &str) -> Result<Self, sqlx::Error> {
        let options: PgConnectOptions = url.parse()?;
        // The pool would try again until its time is up, and then say only that time is up. Nor
        // has it a connection on which a migration may take its time.
        let connection = timeout(CALL_TIMEOUT, PgConnection::connect_with(&options)).await;
        let mut connection = connection.map_err(|_elapsed| sqlx::Error::PoolTimedOut)??;
        sqlx::migrate!("migrations/postgres")
            .run(&mut connection)
            .await?;
        connection.close().await?;
        let options = stops_when_abandoned(options);
        let options = options.options([("statement_timeout", STATEMENT_TIMEOUT)]);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        Ok(Self { pool })
    }

    /// For a query that ends with the request that it is for, and soon in any case.
    fn asking(&self) -> OnPool<Postgres> {
        Ctx::current().with_timeout(CALL_TIMEOUT).on(&self.pool)
    }
}

#[async_trait]
impl UserStore for PostgresStore {
    async fn insert(&self, user: &User) -> Result<()> {
        sqlx::query(sql::INSERT)
            .bind(user.id)
            .bind(&user.email)
            .bind(user.email.key())
            .bind(&user.name)
            .bind(user.version)
            .bind(user.created_at)
            .bind(user.updated_at)
            .execute(self.asking())
            .await
            .map(drop)
            .map_err(failed)
    }

    async fn insert_free(&self, users: &[User]) -> Result<HashSet<Uuid>> {
        fn column<'u, T>(users: &[&'u User], field: impl Fn(&'u User) -> T) -> Vec<T> {
            users.iter().map(|user| field(user)).collect()
        }
        // In one order for all: of two imports of the same addresses one waits for the other,
        // where in two orders each would wait for the other. The sort keeps equal ones as they
        // are, so that the first of them is stored.
        let mut users: Vec<&User> = users.iter().collect();
        users.sort_by_cached_key(|user| user.email.key());
        let users = &users[..];
        let stored = sqlx::query_scalar(INSERT_FREE)
            .bind(column(users, |user| user.id))
            .bind(column(users, |user| user.email.as_str()))
            .bind(column(users, |user| user.email.key()))
            .bind(column(users, |user| user.name.as_str()))
            .bind(column(users, |user| user.version))
            .bind(column(users, |user| user.created_at))
            .bind(column(users, |user| user.updated_at))
            .fetch_all(self.asking());
        Ok(stored.await.map_err(failed)?.into_iter().collect())
    }

    async fn get(&self, id: Uuid) -> Result<User> {
        sqlx::query_as(sql::GET)
            .bind(id)
            .fetch_one(self.asking())
            .await
            .map_err(failed)
    }

    async fn get_many(&self, ids: &[Uuid]) -> Result<Vec<User>> {
        sqlx::query_as("SELECT * FROM users WHERE id = ANY($1)")
            .bind(ids)
            .fetch_all(self.asking())
            .await
            .map_err(failed)
    }

    async fn list(&self, after: Option<Uuid>, limit: u32) -> Result<Vec<User>> {
        sqlx::query_as(sql::LIST)
            .bind(after.unwrap_or(Uuid::nil()))
            .bind(i64::from(limit))
            .fetch_all(self.asking())
            .await
            .map_err(failed)
    }

    async fn update(&self, id: Uuid, expected: Option<i64>, draft: &Draft) -> Result<User> {
        let updated = sqlx::query_as(sql::UPDATE)
            .bind(id)
            .bind(expected)
            .bind(&draft.email)
            .bind(draft.email.key())
            .bind(&draft.name)
            .bind(now())
            .fetch_optional(self.asking());
        match updated.await.map_err(failed)? {
            Some(user) => Ok(user),
            None => Err(no_match(self.get(id).await)),
        }
    }

    async fn delete(&self, id: Uuid, expected: Option<i64>) -> Result<()> {
        let deleted = sqlx::query(sql::DELETE)
            .bind(id)
            .bind(expected)
            .execute(self.asking());
        match deleted.await.map_err(failed)?.rows_affected() {
            0 => Err(no_match(self.get(id).await)),
            _ => Ok(()),
        }
    }

    async fn ping(&self) -> Result<()> {
        sqlx::query(sql::PING)
            .execute(self.asking())
            .await
            .map(drop)
            .map_err(failed)
    }

    async fn close(&self) {
        // A server that does not answer must not hold up the end of the process.
        let _gave_up = timeout(ACQUIRE_TIMEOUT, self.pool.close()).await;
    }
}
