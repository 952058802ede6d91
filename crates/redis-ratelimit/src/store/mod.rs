//! Where the state is kept.

mod clock;
mod memory;
#[cfg(feature = "redis")]
mod redis;

use crate::Check;
use crate::core::{Figures, Rule};
#[cfg(feature = "redis")]
use crate::few::Few;
use crate::table::Id;

pub use self::memory::MemoryStore;
#[cfg(feature = "redis")]
pub use self::redis::RedisStore;
#[cfg(feature = "redis")]
pub(crate) use self::redis::{Breaker, Budget, Pass, Probe, Told};

/// A check as a store sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) id: Id<'a>,
    pub(crate) rule: &'a Rule,
    pub(crate) cost: u32,
}

impl<'a> From<Check<'a>> for Request<'a> {
    fn from(check: Check<'a>) -> Self {
        Self {
            id: Id {
                name: check.policy().name(),
                key: check.key(),
            },
            rule: check.policy().rule(),
            cost: check.units(),
        }
    }
}

/// What one call of a limiter asks for, all or none: for each of some rules a key and a cost.
#[cfg(feature = "redis")]
pub(crate) type Order = Few<Ask>;

/// So many units of a key.
#[cfg(feature = "redis")]
#[derive(Debug)]
pub(crate) struct Ask {
    /// As the store calls it.
    pub(crate) key: Vec<u8>,
    pub(crate) cost: u32,
}

/// What all-or-none has come to, with the figures of each limit.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) admitted: bool,
    pub(crate) figures: Vec<Figures>,
}
