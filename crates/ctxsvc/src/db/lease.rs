//! A connection that goes back to its pool only if nothing is left of what was asked.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Connection, Database, Error, Pool};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::error::{given_up, over, why};
use crate::call::{Call, Place};
use crate::{CancelGuard, Ctx, Done};

/// For what is done on a connection that nobody waits for any more. Longer than SQLite waits for
/// another process' lock, unless it is told to.
const TIDY_WITHIN: Duration = Duration::from_secs(10);

/// For the question of the pool whether a connection that it gets back still works.
const RETURN_WITHIN: Duration = Duration::from_secs(2);

/// A database that stops what nobody waits for any more: Postgres or SQLite. It can't be
/// implemented for others.
pub trait Guarded: Abandon {}

/// What each of them does about it.
#[allow(unnameable_types, reason = "so that nobody else implements `Guarded`")]
pub trait Abandon: Database {
    /// Whether what was asked ends with the context that a connection is armed with. Otherwise it
    /// ends with the connection.
    const ENDS_WITH_CONTEXT: bool;

    /// Its name in OpenTelemetry's conventions.
    const SYSTEM: &'static str;

    /// Where it is, by what its pool connects with.
    fn place(options: &OptionsOf<Self>) -> Place<'_>;

    /// Before the first query.
    fn arm(
        connection: &mut Self::Connection,
        ctx: Ctx,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// After the last one.
    fn disarm(connection: &mut Self::Connection) -> impl Future<Output = Result<(), Error>> + Send;

    /// Whether a query was ended by the context that its connection was armed with.
    fn was_ended(error: &Error) -> bool;

    /// Begins or ends a transaction.
    fn execute(
        connection: &mut Self::Connection,
        statement: &'static str,
    ) -> impl Future<Output = Result<(), Error>> + Send;
}

pub(super) type OptionsOf<DB> = <<DB as Database>::Connection as Connection>::Options;

/// A connection of a pool, as long as a query or a transaction needs it.
///
/// sqlx puts a connection back whose query was given up on, and first waits for the answer: until
/// the server has come to its end, and for ever if the network has lost the connection without a
/// word (transact-rs/sqlx#4349). This one is not put back as it is, unless all was answered.
pub(super) struct Lease<DB: Guarded> {
    /// `None` when it was given back.
    connection: Option<PoolConnection<DB>>,
    /// All that was asked was answered, and [`told`](Self::told).
    at_rest: bool,
    in_transaction: bool,
    /// What it was made with.
    options: Arc<OptionsOf<DB>>,
    /// For a drop where there is no other one.
    runtime: Option<Handle>,
    /// What it is armed with.
    ctx: Ctx,
    guard: CancelGuard,
}

impl<DB: Guarded> Lease<DB> {
    pub(super) async fn take(ctx: &Ctx, pool: &Pool<DB>) -> Result<Self, Error> {
        ctx.check().map_err(over)?;
        let connection = ctx.run(pool.acquire()).await.map_err(over)??;
        let (ctx, guard) = ctx.cancellable();
        let mut lease = Self {
            connection: Some(connection),
            at_rest: true,
            in_transaction: false,
            options: pool.connect_options(),
            runtime: Handle::try_current().ok(),
            ctx: ctx.clone(),
            guard,
        };
        let armed = DB::arm(lease.ask()?, ctx).await;
        lease.told(Ok(armed))?;
        Ok(lease)
    }

    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        self.in_transaction = true;
        self.execute("BEGIN").await
    }

    /// By `COMMIT` or by `ROLLBACK`.
    pub(super) async fn end(&mut self, statement: &'static str) -> Result<(), Error> {
        self.execute(statement).await?;
        self.in_transaction = false;
        Ok(())
    }

    async fn execute(&mut self, statement: &'static str) -> Result<(), Error> {
        let (ctx, call) = (self.ctx.clone(), self.call());
        call.does(statement);
        let executed = call.of(ctx.run(DB::execute(self.ask()?, statement))).await;
        self.traced(&call, executed)
    }

    /// What is asked next, for whoever traces it.
    pub(super) fn call(&self) -> Call {
        Call::to_sql(DB::SYSTEM, || DB::place(&self.options))
    }

    /// The connection, for what is [`told`](Self::told) later. An error if something was asked
    /// before that was never answered: whoever asks now can't know what he builds on.
    pub(super) fn ask(&mut self) -> Result<&mut DB::Connection, Error> {
        if !mem::replace(&mut self.at_rest, false) {
            return Err(self.ctx.check().map_or_else(over, |()| given_up()));
        }
        let connection = self.connection.as_mut();
        Ok(connection.expect("it is given back by value or when this is dropped"))
    }

    /// What has become of what was asked.
    pub(super) fn told<T>(&mut self, answer: Result<Result<T, Error>, Done>) -> Result<T, Error> {
        let answer = answer.map_err(over)?;
        self.at_rest = is_answer(&answer);
        match answer {
            Err(error) if DB::was_ended(&error) => {
                Err(self.ctx.check().map_or_else(over, |()| error))
            }
            answer => answer,
        }
    }

    /// As [`told`](Self::told), for whoever traces it.
    pub(super) fn traced<T>(
        &mut self,
        call: &Call,
        answer: Result<Result<T, Error>, Done>,
    ) -> Result<T, Error> {
        let answer = self.told(answer);
        if let Err(error) = &answer {
            call.failed(|| why(error));
        }
        answer
    }

    /// Back to the pool, as it was.
    pub(super) async fn give_back(mut self) {
        if self.in_transaction {
            return;
        }
        let Ok(connection) = self.ask() else { return };
        if DB::disarm(connection).await.is_ok() {
            let connection = self.connection.take();
            if let (Some(connection), Ok(runtime)) = (connection, Handle::try_current()) {
                runtime.spawn(back_to_pool(connection));
            }
        }
    }
}

impl<DB: Guarded> Drop for Lease<DB> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        self.guard.cancel();
        match Handle::try_current().ok().or_else(|| self.runtime.take()) {
            Some(runtime) => {
                // If it has gone, the connection is dropped here, which takes one too.
                let _entered = runtime.enter();
                runtime.spawn(tidy(connection, self.at_rest, self.in_transaction));
            }
            // A pool takes nothing back where there is no runtime.
            None => drop(connection.detach()),
        }
    }
}

/// Puts a connection back as it was before, or closes it. The context that it is armed with is over.
async fn tidy<DB: Guarded>(
    mut connection: PoolConnection<DB>,
    at_rest: bool,
    in_transaction: bool,
) {
    if !at_rest && !DB::ENDS_WITH_CONTEXT {
        return connection.close_on_drop();
    }
    let tidied = async {
        DB::disarm(&mut connection).await.is_ok()
            // It may be over already: what it says of that is an answer too.
            && (!in_transaction || is_answer(&DB::execute(&mut connection, "ROLLBACK").await))
    };
    if timeout(TIDY_WITHIN, tidied).await == Ok(true) {
        back_to_pool(connection).await;
    } else {
        connection.close_on_drop();
    }
}

/// As the drop of a connection does, but for the bound: a pool that has asked a connection which
/// the network has lost would wait for it for ever, and have one less.
async fn back_to_pool<DB: Database>(mut connection: PoolConnection<DB>) {
    let _is_lost = timeout(RETURN_WITHIN, connection.return_to_pool()).await;
}

/// Whether the database has said all that it has to say. It is not asked with what can't be encoded.
fn is_answer<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Ok(_) | Err(Error::Database(_) | Error::Encode(_)))
}

impl<DB: Guarded> fmt::Debug for Lease<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("at_rest", &self.at_rest)
            .field("in_transaction", &self.in_transaction)
            .finish_non_exhaustive()
    }
}
