//! What `cargo xtask` promises, shown on a small workspace of the test's own with stand-ins for
//! cargo, docker and redis-server: no server, no engine and no network is needed.

#![cfg(unix)]

mod command_line;
mod sources;
mod support;
mod teardown;
mod verdict;
