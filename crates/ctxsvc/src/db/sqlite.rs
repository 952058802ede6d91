//! SQLite asks as it goes whether to go on.

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Error, Sqlite, raw_sql};

use super::lease::{Abandon, Guarded};
use super::transaction::executor;
use crate::Ctx;
use crate::call::Place;

/// Instructions of its virtual machine between two questions: some ten microseconds.
const BETWEEN_QUESTIONS: i32 = 1_000;

/// `SQLITE_INTERRUPT`
const INTERRUPT: &str = "9";

impl Guarded for Sqlite {}

impl Abandon for Sqlite {
    /// To end with the connection would not do: it may be all there is of a database in memory.
    const ENDS_WITH_CONTEXT: bool = true;

    const SYSTEM: &'static str = "sqlite";

    fn place(_options: &SqliteConnectOptions) -> Place<'_> {
        Place::default()
    }

    async fn arm(connection: &mut SqliteConnection, ctx: Ctx) -> Result<(), Error> {
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(BETWEEN_QUESTIONS, move || ctx.check().is_ok());
        Ok(())
    }

    async fn disarm(connection: &mut SqliteConnection) -> Result<(), Error> {
        connection.lock_handle().await?.remove_progress_handler();
        Ok(())
    }

    fn was_ended(error: &Error) -> bool {
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        code.is_some_and(|code| code == INTERRUPT)
    }

    async fn execute(
        connection: &mut SqliteConnection,
        statement: &'static str,
    ) -> Result<(), Error> {
        raw_sql(statement).execute(connection).await.map(drop)
    }
}

executor!(Sqlite);
