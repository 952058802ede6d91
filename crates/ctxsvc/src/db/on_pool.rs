//! Queries under a context, each on a connection of its own.

use std::fmt;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use sqlx::{Database, Describe, Error, Execute, Executor, Pool, SqlStr};

use super::lease::{Guarded, Lease};
use super::rows::{self, Rows, Step};
use crate::Ctx;

impl Ctx {
    /// A pool for queries that end with this context, to be given to sqlx in place of the pool.
    ///
    /// When the context ends, or the future of a query is dropped, then the database stops working
    /// on it, and the pool stays whole: a connection to Postgres is closed and another one opened
    /// when it is needed (see `stops_when_abandoned`), a query of SQLite is interrupted.
    ///
    /// The error of a query says so by a [`Done`](crate::Done), which [`Done::find`](crate::Done::find)
    /// finds. A stream of rows that is dropped before its end counts as given up, too: say `LIMIT`
    /// rather than to take the first ones.
    ///
    /// A database in SQLite's memory is gone with its last connection, and sqlx closes one if it is
    /// given up on while it is tested. Open its pool with `test_before_acquire(false)`.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), sqlx::Error> {
    /// use std::time::Duration;
    /// use ctxsvc::{Ctx, Done};
    ///
    /// let pool = sqlx::sqlite::SqlitePoolOptions::new()
    ///     .max_connections(1)
    ///     .test_before_acquire(false)
    ///     .connect("sqlite::memory:")
    ///     .await?;
    /// let ctx = Ctx::root().with_timeout(Duration::from_millis(20));
    ///
    /// let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n";
    /// let error = sqlx::query(endless).fetch_one(ctx.on(&pool)).await.unwrap_err();
    /// assert!(Done::find(&error).is_some_and(Done::is_timeout));
    ///
    /// let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(Ctx::root().on(&pool)).await?;
    /// assert_eq!(one, 1, "the only connection is free again");
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[must_use]
    pub fn on<DB: Guarded>(&self, pool: &Pool<DB>) -> OnPool<DB> {
        OnPool {
            ctx: self.clone(),
            pool: pool.clone(),
        }
    }
}

/// A pool for queries under a context. From [`Ctx::on`].
pub struct OnPool<DB: Database> {
    ctx: Ctx,
    pool: Pool<DB>,
}

impl<'c, DB> Executor<'c> for OnPool<DB>
where
    DB: Guarded,
    for<'x> &'x mut DB::Connection: Executor<'x, Database = DB>,
{
    type Database = DB;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Step<DB>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let Self { ctx, pool } = self;
        Box::pin(Rows::of(|to| async move {
            let mut lease = Lease::take(&ctx, &pool).await?;
            let answer = rows::pass_on(&ctx, &mut lease, query, to).await;
            lease.give_back().await;
            answer
        }))
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<DB::Row>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, DB>,
    {
        let Self { ctx, pool } = self;
        Box::pin(async move {
            let mut lease = Lease::take(&ctx, &pool).await?;
            let answer = rows::first_row(&ctx, &mut lease, query).await;
            lease.give_back().await;
            answer
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [DB::TypeInfo],
    ) -> BoxFuture<'e, Result<DB::Statement, Error>>
    where
        'c: 'e,
    {
        let Self { ctx, pool } = self;
        Box::pin(async move {
            let mut lease = Lease::take(&ctx, &pool).await?;
            let answer = ctx.run(lease.ask()?.prepare_with(sql, parameters)).await;
            let answer = lease.told(answer);
            lease.give_back().await;
            answer
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<DB>, Error>>
    where
        'c: 'e,
    {
        let Self { ctx, pool } = self;
        Box::pin(async move {
            let mut lease = Lease::take(&ctx, &pool).await?;
            let answer = ctx.run(lease.ask()?.describe(sql)).await;
            let answer = lease.told(answer);
            lease.give_back().await;
            answer
        })
    }
}

impl<DB: Database> Clone for OnPool<DB> {
    fn clone(&self) -> Self {
        Self {
            ctx: self.ctx.clone(),
            pool: self.pool.clone(),
        }
    }
}

impl<DB: Database> fmt::Debug for OnPool<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnPool")
            .field("ctx", &self.ctx)
            .field("size", &self.pool.size())
            .field("idle", &self.pool.num_idle())
            .finish_non_exhaustive()
    }
}
