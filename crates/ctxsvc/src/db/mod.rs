//! Contexts that reach the database.

mod error;
mod lease;
mod on_pool;
#[cfg(feature = "postgres")]
mod postgres;
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;
mod transaction;

pub use self::lease::Guarded;
pub use self::on_pool::OnPool;
#[cfg(feature = "postgres")]
pub use self::postgres::stops_when_abandoned;
pub use self::transaction::Transaction;
