//! Postgres stops a query when its connection is closed.

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Error, Postgres, raw_sql};

use super::lease::{Abandon, Guarded};
use super::transaction::executor;
use crate::Ctx;
use crate::call::Place;

/// How often a server looks whether its client is still there.
const LOOK: &str = "100ms";

/// Has the server stop a query whose connection is closed, within a tenth of a second: without it,
/// it works to the end before it notices.
///
/// Connect the pool with this that is asked by [`Ctx::on`]. It sets
/// `client_connection_check_interval`, which Postgres 14 and newer have, on Linux, macOS and the
/// BSDs. A pooler such as pgbouncer keeps the server's side of a connection open: behind one, set
/// `statement_timeout`.
///
/// # Examples
///
/// ```no_run
/// use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
///
/// # async fn example() -> Result<(), sqlx::Error> {
/// let options: PgConnectOptions = "postgres://localhost/shop".parse()?;
/// let options = ctxsvc::stops_when_abandoned(options);
/// let pool = PgPoolOptions::new().connect_with(options).await?;
/// # drop(pool);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn stops_when_abandoned(options: PgConnectOptions) -> PgConnectOptions {
    options.options([("client_connection_check_interval", LOOK)])
}

impl Guarded for Postgres {}

impl Abandon for Postgres {
    const ENDS_WITH_CONTEXT: bool = false;

    const SYSTEM: &'static str = "postgresql";

    fn place(options: &PgConnectOptions) -> Place<'_> {
        let socket = options.get_socket().and_then(|path| path.to_str());
        Place {
            address: socket.or(Some(options.get_host())),
            port: socket.is_none().then_some(options.get_port()),
            namespace: options.get_database(),
        }
    }

    async fn arm(_connection: &mut PgConnection, _ctx: Ctx) -> Result<(), Error> {
        Ok(())
    }

    async fn disarm(_connection: &mut PgConnection) -> Result<(), Error> {
        Ok(())
    }

    fn was_ended(_error: &Error) -> bool {
        false
    }

    async fn execute(connection: &mut PgConnection, statement: &'static str) -> Result<(), Error> {
        raw_sql(statement).execute(connection).await.map(drop)
    }
}

executor!(Postgres);
