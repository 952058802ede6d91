//! The right to be one of those who are at it.

use std::fmt;
#[cfg(feature = "redis")]
use std::hash::{BuildHasher, RandomState};
#[cfg(feature = "redis")]
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Backend, Limiter};
use crate::check::checked_key;
use crate::core::{HORIZON_US, Slots};
use crate::table::Id;
use crate::{AcquireError, Concurrency, MemoryStore};

#[cfg(feature = "redis")]
use super::{Remote, lease::Lease};
#[cfg(feature = "redis")]
use crate::FailurePolicy;

/// A slot of a [`Concurrency`], from [`Limiter::acquire`]. Dropping it gives the slot back.
///
/// As long as it lives it is renewed, each third of a lease. If the store is away for longer than
/// a lease, the slot may go to somebody else: [`is_held`](Self::is_held) tells. Under
/// [`FailurePolicy::Open`](crate::FailurePolicy::Open) there are permits without a slot behind
/// them.
#[must_use = "a permit that is dropped gives its slot back"]
pub struct Permit {
    place: Place,
}

enum Place {
    Memory {
        store: MemoryStore,
        name: Box<str>,
        key: Box<[u8]>,
        id: u128,
    },
    #[cfg(feature = "redis")]
    Redis(Lease),
    /// The store is away, and the failure policy is to go on.
    #[cfg(feature = "redis")]
    Nowhere,
}

impl Limiter {
    /// Takes one of the slots that a key has, if one is free.
    ///
    /// # Errors
    ///
    /// [`AcquireError::Taken`] if none is free, with the time until the first lease ends: by then
    /// a slot is free only if its holder has died. [`AcquireError::Unknown`] if the store does not
    /// answer, and the failure policy is not to go on.
    ///
    /// # Cancel safety
    ///
    /// A slot that was taken for a caller who did not wait for it is given back at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use redis_ratelimit::{Concurrency, Limiter};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::memory();
    /// let imports = Concurrency::new("imports", 1, Duration::from_secs(30))?;
    ///
    /// let permit = limiter.acquire(&imports, "user:42").await?;
    /// assert!(limiter.acquire(&imports, "user:42").await.is_err());
    /// drop(permit);
    /// assert!(limiter.acquire(&imports, "user:42").await.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn acquire(
        &self,
        concurrency: &Concurrency,
        key: &(impl AsRef<[u8]> + ?Sized),
    ) -> Result<Permit, AcquireError> {
        let id = Id {
            name: concurrency.name(),
            key: checked_key(key.as_ref())?,
        };
        let place = match &self.backend {
            Backend::Memory(store) => in_memory(store, id, concurrency.rule())?,
            #[cfg(feature = "redis")]
            Backend::Redis(remote) => Box::pin(in_redis(remote, concurrency, id)).await?,
        };
        Ok(Permit { place })
    }
}

impl Permit {
    /// Whether the slot is surely still this permit's.
    #[must_use]
    pub fn is_held(&self) -> bool {
        match &self.place {
            Place::Memory { .. } => true,
            #[cfg(feature = "redis")]
            Place::Redis(lease) => lease.is_held(),
            #[cfg(feature = "redis")]
            Place::Nowhere => false,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        match &self.place {
            Place::Memory {
                store,
                name,
                key,
                id,
            } => store.release(Id { name, key }, *id),
            // A lease releases itself.
            #[cfg(feature = "redis")]
            Place::Redis(_) | Place::Nowhere => {}
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("is_held", &self.is_held())
            .finish_non_exhaustive()
    }
}

/// In memory a slot dies with its process anyway, so its lease never ends.
fn in_memory(store: &MemoryStore, id: Id<'_>, slots: Slots) -> Result<Place, AcquireError> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // ORDERING: Relaxed. A read-modify-write never returns the same number twice.
    let permit = u128::from(NEXT.fetch_add(1, Ordering::Relaxed));
    let endless = Slots {
        lease_us: HORIZON_US,
        ..slots
    };
    if !store.acquire(id, endless, permit).acquired {
        // Nobody but its holder gives a slot back, and that may be at any time.
        return Err(taken(slots.lease_us));
    }
    Ok(Place::Memory {
        store: store.clone(),
        name: id.name.into(),
        key: id.key.into(),
        id: permit,
    })
}

#[cfg(feature = "redis")]
async fn in_redis(
    remote: &Arc<Remote>,
    concurrency: &Concurrency,
    id: Id<'_>,
) -> Result<Place, AcquireError> {
    let attempt = Lease::take(Arc::clone(remote), concurrency, id.key, unique_id());
    let cause = match attempt.await {
        Ok(Ok(lease)) => return Ok(Place::Redis(lease)),
        Ok(Err(slot)) => return Err(taken(slot.wait_us)),
        Err(cause) => cause,
    };
    match remote.on_failure() {
        FailurePolicy::Open => Ok(Place::Nowhere),
        FailurePolicy::Closed => Err(AcquireError::Unknown(remote.doubt(cause, None))),
        FailurePolicy::Local { nodes } => {
            let share = Slots {
                slots: concurrency.slots().div_ceil(nodes.get()),
                ..concurrency.rule()
            };
            in_memory(remote.local(), id, share)
        }
    }
}

fn taken(wait_us: u64) -> AcquireError {
    AcquireError::Taken {
        retry_after: Duration::from_micros(wait_us),
    }
}

/// Not the same twice, in any process: the standard library's hasher is seeded from the system.
#[cfg(feature = "redis")]
fn unique_id() -> u128 {
    let half = || u128::from(RandomState::new().hash_one(0));
    half() << 64 | half()
}
