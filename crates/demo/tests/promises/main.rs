//! What the service promises, on SQLite and without anything to install.

mod api;
#[path = "../conformance/mod.rs"]
mod conformance;
mod hostile;
mod import;
mod process;
mod sqlite;
mod support;
