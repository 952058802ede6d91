//! An HTTP user service: the one place where all crates of this workspace run together.
//!
//! Read it from the outside in: [`App`] wires the parts, [`server`] accepts connections and
//! bounds what a client may hold, [`api`] speaks HTTP, [`store`] keeps users in SQLite or
//! PostgreSQL, and [`user`] says what a valid user is.

pub mod api;
mod app;
mod args;
mod avatar;
mod operator;
mod pools;
mod problem;
mod quotas;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod user;

pub use app::{App, StartError};
pub use args::{Args, LogFormat};
pub use operator::LastError;
pub use pools::Pools;
