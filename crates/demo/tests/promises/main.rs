//! What the service promises, on SQLite and without anything to install.

mod api;
#[path = "../conformance/mod.rs"]
mod conformance;
mod hostile;
mod http2;
mod import;
mod process;
mod quotas;
mod sqlite;
mod support;
