//! What can be done to a limit beside asking for units.

use super::{Backend, Limiter};
use crate::{Check, Fault, Source, State};

impl Limiter {
    /// Looks at a limit and takes nothing: `retry_after` is zero if the check would be admitted.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the store does not answer within the budget.
    ///
    /// # Cancel safety
    ///
    /// It has no effect, so there is none to be lost.
    pub async fn peek(&self, check: Check<'_>) -> Result<State, Fault> {
        let figures = match &self.backend {
            Backend::Memory(store) => store.peek(check.into()),
            #[cfg(feature = "redis")]
            Backend::Redis(remote) => remote.peek(check).await?,
        };
        Ok(State::new(check.policy().limit(), figures, Source::Store))
    }

    /// Gives the units of a check back that was admitted and turned out to be in vain. It never
    /// leaves more than an unused limit has.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the store does not answer within the budget. It says whether the units may
    /// have been given back all the same.
    ///
    /// # Cancel safety
    ///
    /// Before it is polled nothing is given back. Dropped later, the units may have been.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_ratelimit::{Check, Limiter, Policy, Quota};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limiter = Limiter::memory();
    /// let mails = Policy::fixed_window("mails", Quota::per_day(3))?;
    /// let mail = Check::new(&mails, "user:42")?;
    ///
    /// assert_eq!(limiter.peek(mail).await?.remaining, 3);
    /// assert!(limiter.check(mail).await.is_admitted());
    /// limiter.refund(mail).await?; // the mail server was away
    /// assert_eq!(limiter.peek(mail).await?.remaining, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn refund(&self, check: Check<'_>) -> Result<(), Fault> {
        match &self.backend {
            Backend::Memory(store) => store.refund(check.into()),
            #[cfg(feature = "redis")]
            Backend::Redis(remote) => remote.refund(check).await?,
        }
        Ok(())
    }

    /// Forgets what the key of a check has used of its policy. The cost does not matter.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the store does not answer within the budget.
    ///
    /// # Cancel safety
    ///
    /// Before it is polled nothing is forgotten. Dropped later, it may have been.
    pub async fn reset(&self, check: Check<'_>) -> Result<(), Fault> {
        match &self.backend {
            Backend::Memory(store) => store.reset(check.into()),
            #[cfg(feature = "redis")]
            Backend::Redis(remote) => remote.reset(check).await?,
        }
        Ok(())
    }
}
