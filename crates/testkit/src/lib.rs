//! Servers, a fault proxy and helpers for the tests of this workspace (Unix).
//!
//! | A test needs | It takes | Feature |
//! |---|---|---|
//! | something to become true, soon | [`wait_for`] | |
//! | a future dropped at each of its awaits | [`every_await`] | |
//! | keys of its own in the shared Redis | [`redis`](fn@redis) | `redis` |
//! | a schema of its own in the shared Postgres | [`postgres`] | `postgres` |
//! | a server to kill, pause and restart | [`Redis`], [`Cluster`], [`Sentinel`], [`Postgres`] | `redis`, `postgres` |
//! | a bad network in front of a server | [`Proxy`] | `proxy` |
//! | to know whether a concurrent history is a sound one | [`linearize`] | `history` |
//!
//! The shared servers come from `cargo xtask test`, as `TEST_REDIS_URL` and `TEST_DATABASE_URL`.
//! Without them the functions panic and say how to get them: a test that needs a server is
//! `#[ignore = "needs redis"]`, and never passes without having run.
//!
//! A server of a test's own dies with the test, also when the test is killed. Nothing here needs
//! the test's runtime: launchers are blocking calls of some milliseconds, the proxy runs on a
//! thread of its own, and both work the same under tokio's paused clock.

#[cfg(not(unix))]
compile_error!("testkit starts and signals Unix processes");

mod every_await;
#[cfg(feature = "history")]
mod history;
mod ticker;
mod wait;

#[cfg(any(feature = "redis", feature = "postgres"))]
mod error;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod isolation;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod process;
#[cfg(feature = "proxy")]
mod proxy;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod servers;

#[cfg(any(feature = "redis", feature = "postgres"))]
pub use error::StartError;
pub use every_await::every_await;
#[cfg(feature = "history")]
pub use history::{Call, linearize};
#[cfg(feature = "redis")]
pub use isolation::{Keys, redis};
#[cfg(feature = "postgres")]
pub use isolation::{Schema, postgres};
#[cfg(feature = "proxy")]
pub use proxy::{Link, Proxy};
#[cfg(feature = "postgres")]
pub use servers::Postgres;
#[cfg(feature = "redis")]
pub use servers::{Cluster, Redis, Sentinel, SlotMove};
pub use wait::{Condition, wait_for};
