//! The kind of a foreign error, found out when somebody asks.

#[cfg(feature = "std")]
mod io;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlx")]
mod sqlx;
#[cfg(feature = "tokio")]
mod tokio;

use core::error;

use crate::{Kind, foreign};

/// Looks down the causes for the first one that is known.
pub(crate) fn classify(root: &(dyn error::Error + 'static)) -> Kind {
    let mut level = Some(root);
    // A chain may run in a circle, and what is this deep says nothing about the error on top.
    for _ in 0..32 {
        let Some(error) = level else { break };
        let known = CLASSIFIERS.iter().find_map(|kind| kind(error));
        if let Some(kind) = known {
            return kind;
        }
        level = foreign::source(error);
    }
    Kind::Unknown
}

/// What one error is known to be. `None` leaves it to its causes.
type Classifier = fn(&(dyn error::Error + 'static)) -> Option<Kind>;

const CLASSIFIERS: &[Classifier] = &[
    #[cfg(feature = "std")]
    io::kind,
    #[cfg(feature = "tokio")]
    tokio::kind,
    #[cfg(feature = "sqlx")]
    sqlx::kind,
    #[cfg(feature = "redis")]
    redis::kind,
];
