//! Which server a request goes to.

#![cfg_attr(
    not(feature = "cluster"),
    allow(
        dead_code,
        unused_variables,
        clippy::unnecessary_wraps,
        reason = "a single server has no slots and sends nobody elsewhere"
    )
)]

use std::future::pending;
#[cfg(any(feature = "cluster", feature = "tls"))]
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "tls")]
use redis::ConnectionInfo;
use redis::{RedisError, RedisResult};
use tokio::time::Instant;

#[cfg(feature = "cluster")]
use super::cluster::Cluster;
use super::guard::{Guard, Link};
#[cfg(feature = "tls")]
use super::losses::Losses;
#[cfg(feature = "cluster")]
use super::slots;

/// One server, or those of a cluster.
#[derive(Debug, Clone)]
pub(super) enum Servers {
    One(Guard),
    #[cfg(feature = "cluster")]
    Cluster(Arc<Cluster>),
}

/// Where a server has sent a request that it does not serve.
pub(super) enum Redirection {
    /// Its key has moved, and the next request for it goes there at once.
    Moved,
    /// Its key is being moved: this request alone goes there, and says so.
    Ask(Guard),
}

impl Servers {
    /// The same servers by other means.
    #[cfg(feature = "tls")]
    pub(super) fn with_infos<E>(
        &self,
        change: impl Fn(&ConnectionInfo) -> Result<ConnectionInfo, E>,
        losses: &Arc<Losses>,
    ) -> Result<Self, E> {
        Ok(match self {
            Self::One(guard) => Self::One(Guard::new(guard.origin().with_infos(change)?, losses)),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                let example = change(cluster.example())?;
                let seeds = cluster.seeds().to_vec();
                Self::Cluster(Arc::new(Cluster::new(example, seeds, losses)))
            }
        })
    }

    /// Where in a cluster a key is.
    pub(super) fn slot(&self, key: &[u8]) -> Option<u16> {
        match self {
            Self::One(_) => None,
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => Some(slots::slot(key)),
        }
    }

    /// Who serves a slot, or any of them: without a wait if that is known.
    pub(super) fn guard_if_known(&self, slot: Option<u16>) -> Option<Guard> {
        match self {
            Self::One(guard) => Some(guard.clone()),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.guard_if_known(slot),
        }
    }

    /// The connection to who serves a slot, as soon as there is one, and who guards it.
    pub(super) async fn reach(&self, slot: Option<u16>) -> RedisResult<(Guard, Link)> {
        match self {
            Self::One(guard) => Ok((guard.clone(), guard.link().await?)),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.reach(slot).await,
        }
    }

    /// Waits until somebody else has taken a server's place for a slot, and says how long the
    /// connection to that one took to be made.
    pub(super) async fn successor(&self, slot: Option<u16>, of: &Guard) -> Duration {
        match self {
            Self::One(_) => pending().await,
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.successor(slot, of).await,
        }
    }

    /// Where a server sends a request to that it does not serve.
    pub(super) fn redirection(&self, error: &RedisError, from: &Guard) -> Option<Redirection> {
        match self {
            Self::One(_) => None,
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.redirection(error, from),
        }
    }

    /// A server has answered for a slot.
    pub(super) fn served(&self, slot: Option<u16>, by: &Guard, asked_at: Instant) {
        match self {
            Self::One(_) => {}
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                if let Some(slot) = slot {
                    cluster.served(slot, by, asked_at);
                }
            }
        }
    }

    /// Something is wrong with a server. In a cluster another one may have taken its place.
    pub(super) fn doubt(&self) {
        match self {
            Self::One(_) => {}
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.look_again(),
        }
    }
}
