//! The pool for jobs that block: threads that come and go with the load.

mod builder;
mod control;
mod desk;
mod inbox;
mod keeper;
#[cfg(all(test, model))]
mod loom_tests;
mod place;
mod pool;
mod seat;
mod settings;
mod shared;
mod shutdown;
mod state;
mod submission;
mod submit;
#[cfg(all(test, not(model)))]
mod tests;
mod worker;

pub use builder::Builder;
pub use pool::Pool;
pub use submit::JobBuilder;
