//! Transactions under a context.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use sqlx::{Describe, Error, Execute, Executor, Pool, SqlStr};

use super::lease::{Guarded, Lease};
use super::rows::{self, Rows, Step};
use crate::Ctx;

impl Ctx {
    /// Begins a transaction that is rolled back if this context ends before it is committed.
    ///
    /// # Errors
    ///
    /// That of sqlx, or one in which [`Done::find`](crate::Done::find) finds the end of the context.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it leaves no transaction behind: sqlx's own `begin` may give a connection back with
    /// one that is open (transact-rs/sqlx#4385).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), sqlx::Error> {
    /// # use std::time::Duration;
    /// # use ctxsvc::Ctx;
    /// # let pool = sqlx::sqlite::SqlitePoolOptions::new()
    /// #     .max_connections(1)
    /// #     .connect("sqlite::memory:")
    /// #     .await?;
    /// # sqlx::query("CREATE TABLE users (name TEXT)").execute(&pool).await?;
    /// let ctx = Ctx::root().with_timeout(Duration::from_millis(300));
    /// let mut transaction = ctx.begin(&pool).await?;
    /// sqlx::query("INSERT INTO users VALUES ('Ada')").execute(&mut transaction).await?;
    /// transaction.commit().await?;
    /// # let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM users").fetch_one(&pool).await?;
    /// # assert_eq!(count, 1);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    pub async fn begin<DB: Guarded>(&self, pool: &Pool<DB>) -> Result<Transaction<DB>, Error> {
        let ctx = self.clone();
        let mut lease = Lease::take(&ctx, pool).await?;
        lease.begin().await?;
        Ok(Transaction { ctx, lease })
    }
}

/// A transaction under a context, for queries by `&mut`. From [`Ctx::begin`].
///
/// Dropped, it is rolled back. So it is when a query in it was given up on, or a stream of rows was
/// dropped before its end: then each later query and the commit are refused by an error.
#[derive(Debug)]
#[must_use = "it is rolled back when it is dropped"]
pub struct Transaction<DB: Guarded> {
    ctx: Ctx,
    lease: Lease<DB>,
}

impl<DB: Guarded> Transaction<DB> {
    /// Makes what was done last.
    ///
    /// # Errors
    ///
    /// That of sqlx. If the context ends meanwhile, nobody knows whether it was committed.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it may have been committed or not.
    pub async fn commit(mut self) -> Result<(), Error> {
        let committed = self.lease.end("COMMIT").await;
        self.lease.give_back().await;
        committed
    }

    /// Undoes what was done, and waits until that has happened.
    ///
    /// # Errors
    ///
    /// That of sqlx. It is rolled back all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it is rolled back too.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let undone = self.lease.end("ROLLBACK").await;
        self.lease.give_back().await;
        undone
    }
}

impl<DB> Transaction<DB>
where
    DB: Guarded,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    pub(super) fn steps<'e, 'q: 'e, E>(
        &'e mut self,
        query: E,
    ) -> BoxStream<'e, Result<Step<DB>, Error>>
    where
        E: 'q + Execute<'q, DB>,
    {
        let Self { ctx, lease } = self;
        Box::pin(Rows::of(|to| rows::pass_on(ctx, lease, query, to)))
    }

    pub(super) fn first<'e, 'q: 'e, E>(
        &'e mut self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        E: 'q + Execute<'q, DB>,
    {
        let Self { ctx, lease } = self;
        Box::pin(rows::first_row(ctx, lease, query))
    }

    pub(super) fn prepared<'e>(
        &'e mut self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>> {
        let Self { ctx, lease } = self;
        Box::pin(async move {
            let answer = ctx.run(lease.ask()?.prepare_with(sql, parameters)).await;
            lease.told(answer)
        })
    }

    pub(super) fn described(&mut self, sql: SqlStr) -> BoxFuture<'_, Result<Describe<DB>, Error>> {
        let Self { ctx, lease } = self;
        Box::pin(async move {
            let answer = ctx.run(lease.ask()?.describe(sql)).await;
            lease.told(answer)
        })
    }
}

/// For one database after the other: of any, the compiler would ask whether the connection of a
/// transaction is a transaction, and so on without an end.
macro_rules! executor {
    ($database:ty) => {
        impl<'c> sqlx::Executor<'c> for &'c mut crate::Transaction<$database> {
            type Database = $database;

            fn fetch_many<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> futures_util::stream::BoxStream<
                'e,
                Result<crate::db::rows::Step<$database>, sqlx::Error>,
            >
            where
                'c: 'e,
                E: 'q + sqlx::Execute<'q, $database>,
            {
                self.steps(query)
            }

            fn fetch_optional<'e, 'q: 'e, E>(
                self,
                query: E,
            ) -> futures_util::future::BoxFuture<
                'e,
                Result<Option<<$database as sqlx::Database>::Row>, sqlx::Error>,
            >
            where
                'c: 'e,
                E: 'q + sqlx::Execute<'q, $database>,
            {
                self.first(query)
            }

            fn prepare_with<'e>(
                self,
                sql: sqlx::SqlStr,
                parameters: &'e [<$database as sqlx::Database>::TypeInfo],
            ) -> futures_util::future::BoxFuture<
                'e,
                Result<<$database as sqlx::Database>::Statement, sqlx::Error>,
            >
            where
                'c: 'e,
            {
                self.prepared(sql, parameters)
            }

            fn describe<'e>(
                self,
                sql: sqlx::SqlStr,
            ) -> futures_util::future::BoxFuture<'e, Result<sqlx::Describe<$database>, sqlx::Error>>
            where
                'c: 'e,
            {
                self.described(sql)
            }
        }
    };
}
pub(super) use executor;
