//! One question to a limiter.

use crate::{CheckError, Policy};

/// A key is sent with each check.
pub(crate) const KEY_BYTES_MAX: usize = 64 * 1024;

/// Whether a key may have some units of a policy.
///
/// A key is any bytes: a user, an address, a token. Whatever can be wrong with a check is found
/// when it is made, so that asking a limiter never fails.
///
/// # Examples
///
/// ```
/// use redis_ratelimit::{Check, Policy, Quota};
///
/// let api = Policy::gcra("api", Quota::per_second(10))?;
/// let request = Check::new(&api, "user:42")?;
/// let export = Check::new(&api, "user:42")?.cost(5)?;
/// assert!(request.cost(11).is_err_and(|error| error.is_cost_above_limit()));
/// # let _ = export;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use = "a check does nothing until a limiter is asked"]
pub struct Check<'a> {
    policy: &'a Policy,
    key: &'a [u8],
    cost: u32,
}

impl<'a> Check<'a> {
    /// Asks for one unit.
    ///
    /// # Errors
    ///
    /// A [`CheckError`] if the key has more than 64 KiB.
    #[inline]
    pub fn new(
        policy: &'a Policy,
        key: &'a (impl AsRef<[u8]> + ?Sized),
    ) -> Result<Self, CheckError> {
        Ok(Self {
            policy,
            key: checked_key(key.as_ref())?,
            cost: 1,
        })
    }

    /// Asks for `units` instead.
    ///
    /// # Errors
    ///
    /// A [`CheckError`] if that is nothing, or more than the policy ever admits at once: waiting
    /// would be in vain.
    pub fn cost(mut self, units: u32) -> Result<Self, CheckError> {
        let limit = self.policy.limit();
        if units == 0 {
            return Err(CheckError::ZeroCost);
        }
        if units > limit {
            return Err(CheckError::CostAboveLimit { cost: units, limit });
        }
        self.cost = units;
        Ok(self)
    }

    pub(crate) fn policy(&self) -> &'a Policy {
        self.policy
    }

    pub(crate) fn key(&self) -> &'a [u8] {
        self.key
    }

    pub(crate) fn units(&self) -> u32 {
        self.cost
    }

    /// Whether both count on the same state.
    pub(crate) fn is_same_limit(&self, other: &Self) -> bool {
        self.key == other.key && self.policy.name() == other.policy.name()
    }
}

#[inline]
pub(crate) fn checked_key(key: &[u8]) -> Result<&[u8], CheckError> {
    if key.len() > KEY_BYTES_MAX {
        return Err(CheckError::KeyTooLong { bytes: key.len() });
    }
    Ok(key)
}
