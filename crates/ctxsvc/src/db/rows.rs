//! The answer to a query, while it comes.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::TryStreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::Stream;
use sqlx::error::BoxDynError;
use sqlx::{Database, Either, Error, Execute, Executor, SqlStr};
use tokio::sync::mpsc;

use super::lease::{Guarded, Lease};
use crate::Ctx;
use crate::call::Call;

/// A row, or how many were changed.
pub(super) type Step<DB> = Either<<DB as Database>::QueryResult, <DB as Database>::Row>;

/// All that comes of a query, for as long as somebody takes it. When it is over, the connection is
/// at rest again.
pub(super) async fn pass_on<'q, DB, E>(
    ctx: &Ctx,
    lease: &mut Lease<DB>,
    query: E,
    to: mpsc::Sender<Step<DB>>,
) -> Result<(), Error>
where
    DB: Guarded,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    E: Execute<'q, DB> + 'q,
{
    let call = lease.call();
    let query = Traced::new(query, &call);
    let asked = async {
        let mut steps = lease.ask()?.fetch_many(query);
        while let Some(step) = steps.try_next().await? {
            // Whoever does not listen any more has dropped this too.
            let _ = to.send(step).await;
        }
        Ok(())
    };
    let answer = call.of(ctx.run(asked)).await;
    lease.traced(&call, answer)
}

/// The first row, when all of them have come: a connection with rows under way is not at rest.
pub(super) async fn first_row<'q, DB, E>(
    ctx: &Ctx,
    lease: &mut Lease<DB>,
    query: E,
) -> Result<Option<DB::Row>, Error>
where
    DB: Guarded,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    E: Execute<'q, DB> + 'q,
{
    let call = lease.call();
    let query = Traced::new(query, &call);
    let asked = async {
        let (mut steps, mut first) = (lease.ask()?.fetch_many(query), None);
        while let Some(step) = steps.try_next().await? {
            if let (None, Either::Right(row)) = (&first, step) {
                first = Some(row);
            }
        }
        Ok(first)
    };
    let answer = call.of(ctx.run(asked)).await;
    lease.traced(&call, answer)
}

/// A query that tells what it does when it is executed: before that, nobody can ask it.
struct Traced<E> {
    query: E,
    call: Call,
}

impl<E> Traced<E> {
    fn new(query: E, call: &Call) -> Self {
        let call = call.clone();
        Self { query, call }
    }
}

impl<'q, DB: Database, E: Execute<'q, DB>> Execute<'q, DB> for Traced<E> {
    fn sql(self) -> SqlStr {
        let sql = self.query.sql();
        self.call.does(sql.as_str());
        sql
    }

    fn statement(&self) -> Option<&DB::Statement> {
        self.query.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        self.query.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.query.persistent()
    }
}

/// The stream of what a future passes on.
pub(super) struct Rows<'a, T> {
    /// `None` when it is over.
    source: Option<BoxFuture<'a, Result<(), Error>>>,
    passed: mpsc::Receiver<T>,
    /// What comes after all that was passed.
    error: Option<Error>,
}

impl<'a, T> Rows<'a, T> {
    pub(super) fn of<F>(source: impl FnOnce(mpsc::Sender<T>) -> F) -> Self
    where
        F: Future<Output = Result<(), Error>> + Send + 'a,
    {
        let (sender, passed) = mpsc::channel(1);
        let source = Some(Box::pin(source(sender)) as _);
        Self {
            source,
            passed,
            error: None,
        }
    }
}

impl<T> Stream for Rows<'_, T> {
    type Item = Result<T, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Ok(passed) = this.passed.try_recv() {
            return Poll::Ready(Some(Ok(passed)));
        }
        if let Some(source) = &mut this.source
            && let Poll::Ready(end) = source.as_mut().poll(cx)
        {
            this.source = None;
            this.error = end.err();
        }
        match (this.passed.try_recv(), &this.source) {
            (Ok(passed), _) => Poll::Ready(Some(Ok(passed))),
            (Err(_), Some(_)) => Poll::Pending,
            (Err(_), None) => Poll::Ready(this.error.take().map(Err)),
        }
    }
}

impl<T> fmt::Debug for Rows<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("is_over", &self.source.is_none())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_came_before_an_error_is_passed_on_before_it() {
        let mut rows = Rows::of(async |to: mpsc::Sender<u8>| {
            let _ = to.send(1).await;
            Err(Error::WorkerCrashed)
        });
        assert!(matches!(rows.try_next().await, Ok(Some(1))));
        assert!(matches!(rows.try_next().await, Err(Error::WorkerCrashed)));
        assert!(matches!(rows.try_next().await, Ok(None)));
    }
}
