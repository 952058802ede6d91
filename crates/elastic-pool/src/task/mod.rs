//! The pool for futures: so many run at once on tokio, and the others wait.
//!
//! There are no workers that could be idle. A submission spawns a task if fewer than the limit run,
//! and a task that has ended its job goes on with the next one that waits.

mod builder;
mod drive;
#[cfg(all(test, model))]
mod loom_tests;
mod pool;
mod runner;
mod shared;
mod shutdown;
mod submit;
mod tasks;

pub use builder::Builder;
pub use pool::Pool;
pub(crate) use shutdown::Handed;
pub use submit::JobBuilder;
