//! The context: a scope that ends, and values that last.

mod after;
mod ambient;
mod guard;
mod run;
mod scope;
mod timer;
mod token;
mod values;
mod waiters;

#[cfg(all(test, model))]
mod loom_tests;

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::Done;
use crate::done::Cause;
use scope::Scope;
use values::Values;

pub use after::AfterDone;
pub use ambient::Scoped;
pub use guard::CancelGuard;
pub use run::{Finished, Run};

/// What a request carries with it: a deadline, whether somebody still wants the answer, why not,
/// and values.
///
/// A context is derived from another one and ends no later than it. A clone is another handle to
/// the same context.
///
/// # Performance
///
/// To derive is one allocation and takes no lock, but for a scope in each fourth level, which its
/// parents come to know. To check is a load or a few, and there are no timer and, between those
/// levels, no registration before a future under it has to wait. All futures that wait under
/// one deadline share a timer.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use ctxsvc::Ctx;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// #[derive(Debug, PartialEq)]
/// struct Tenant(u32);
///
/// let ctx = Ctx::root().with_timeout(Duration::from_millis(20)).with_value(Tenant(7));
/// assert_eq!(ctx.value(), Some(&Tenant(7)));
///
/// let answer = ctx.run(std::future::pending::<()>()).await;
/// assert!(answer.unwrap_err().is_timeout());
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Ctx {
    /// None is never over.
    scope: Option<Arc<Scope>>,
    values: Values,
}

impl Ctx {
    /// A context that is never over, without a deadline and without values.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// A context that can be cancelled, and the guard that does it when it is dropped.
    pub fn cancellable(&self) -> (Self, CancelGuard) {
        let scope = Scope::cancellable(self.scope.clone());
        let ctx = self.with_scope(Some(Arc::clone(&scope)));
        (ctx, CancelGuard::new(scope))
    }

    /// A context that ends after `timeout`, or earlier with this one.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        self.ending_in(Instant::now(), timeout, None)
    }

    /// As [`with_timeout`](Self::with_timeout), with what to name as the cause.
    ///
    /// The cause is told only if this very deadline is what ends the context.
    #[must_use]
    pub fn with_timeout_because(
        &self,
        timeout: Duration,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        self.ending_in(Instant::now(), timeout, Some(Arc::from(cause.into())))
    }

    /// A context that ends at `deadline`, or earlier with this one.
    #[must_use]
    pub fn with_deadline(&self, deadline: std::time::Instant) -> Self {
        self.ending_at(deadline.into(), None)
    }

    /// A context with one more value. It hides those of the same type.
    #[must_use]
    pub fn with_value<T: Any + Send + Sync>(&self, value: T) -> Self {
        Self {
            scope: self.scope.clone(),
            values: self.values.with(value),
        }
    }

    /// The value of this type that was bound last.
    #[must_use]
    pub fn value<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.values.find()
    }

    /// A context with the values of this one that outlives it: without its deadline, and not
    /// cancelled with it.
    #[must_use]
    pub fn detach(&self) -> Self {
        self.with_scope(None)
    }

    /// When it ends at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<std::time::Instant> {
        self.scope.as_ref()?.deadline().map(Instant::into_std)
    }

    /// How long it lasts at most. Zero when the deadline has passed, none if there is none.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let deadline = self.scope.as_ref()?.deadline()?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether it is known to be over. This does not look at the clock, so it says nothing of a
    /// deadline that nobody has waited for: see [`check`](Self::check).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.is_over())
    }

    /// Whether it goes on. This looks at the clock, if there is a deadline.
    ///
    /// # Errors
    ///
    /// A [`Done`] when the context is over.
    pub fn check(&self) -> Result<(), Done> {
        self.scope.as_ref().map_or(Ok(()), |scope| scope.check())
    }

    /// As [`with_timeout`](Self::with_timeout), for who has looked at the clock already.
    pub(crate) fn with_timeout_from(&self, now: Instant, timeout: Duration) -> Self {
        self.ending_in(now, timeout, None)
    }

    fn ending_in(&self, now: Instant, timeout: Duration, cause: Option<Cause>) -> Self {
        // What is too far away for the clock is no deadline.
        match now.checked_add(timeout) {
            Some(deadline) if timeout.is_zero() => {
                let ctx = self.ending_at(deadline, cause);
                // Nobody has to look at the clock again to see that it is over.
                let _ = ctx.check();
                ctx
            }
            Some(deadline) => self.ending_at(deadline, cause),
            None => self.clone(),
        }
    }

    fn ending_at(&self, deadline: Instant, cause: Option<Cause>) -> Self {
        let earlier = self.scope.as_ref().and_then(|scope| scope.deadline());
        if earlier.is_some_and(|earlier| earlier <= deadline) {
            return self.clone();
        }
        self.with_scope(Some(Scope::ending_at(self.scope.clone(), deadline, cause)))
    }

    fn with_scope(&self, scope: Option<Arc<Scope>>) -> Self {
        Self {
            scope,
            values: self.values.clone(),
        }
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx")
            .field("remaining", &self.remaining())
            .field("is_cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}
