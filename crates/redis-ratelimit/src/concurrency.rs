//! How many may be at it at once.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::PolicyError;
use crate::core::Slots;
use crate::policy::{checked_name, checked_us};

/// A shorter lease could end between two renewals of a busy process, and a longer one keeps the
/// slot of a dead process for longer than anybody would wait.
const LEASE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);

/// A named number of slots, of which each is held by one [`Permit`](crate::Permit).
///
/// A permit is renewed as long as its process lives. When the process dies, the slot is free
/// again after a lease.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use redis_ratelimit::Concurrency;
///
/// let imports = Concurrency::new("imports", 4, Duration::from_secs(30))?;
/// assert_eq!(imports.slots(), 4);
/// # Ok::<(), redis_ratelimit::PolicyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Concurrency {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: Box<str>,
    lease: Duration,
    slots: Slots,
}

impl Concurrency {
    /// `slots` at once for each key, each leased for `lease`: from 0.1 seconds to a day.
    ///
    /// # Errors
    ///
    /// A [`PolicyError`] if the name is not one, there are no slots, or the lease is out of range.
    pub fn new(
        name: impl Into<Box<str>>,
        slots: u32,
        lease: Duration,
    ) -> Result<Self, PolicyError> {
        let name = checked_name(name)?;
        if slots == 0 {
            return Err(PolicyError::ZeroQuota);
        }
        let out_of_range = PolicyError::LeaseOutOfRange { lease };
        if !LEASE.contains(&lease) {
            return Err(out_of_range);
        }
        let lease_us = checked_us(lease).ok_or(out_of_range)?;
        Ok(Self {
            inner: Arc::new(Inner {
                name,
                lease,
                slots: Slots { slots, lease_us },
            }),
        })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.inner.slots.slots
    }

    /// For how long a slot is leased.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.inner.lease
    }

    pub(crate) fn rule(&self) -> Slots {
        self.inner.slots
    }
}
