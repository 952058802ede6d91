//! Who may cancel a context.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::scope::Scope;

/// Cancels a context, at the latest when it is dropped. From [`Ctx::cancellable`](crate::Ctx::cancellable).
///
/// When a call that cancels returns, the context and all that were derived from it are done, and
/// all who wait under them have been woken.
///
/// # Examples
///
/// ```
/// use ctxsvc::Ctx;
///
/// let (ctx, guard) = Ctx::root().cancellable();
/// let child = ctx.with_value("a child ends with its parent");
/// drop(guard);
/// assert!(child.is_cancelled());
/// ```
#[must_use = "the context is cancelled when the guard is dropped"]
pub struct CancelGuard {
    /// None when it was disarmed.
    scope: Option<Arc<Scope>>,
}

impl CancelGuard {
    pub(super) fn new(scope: Arc<Scope>) -> Self {
        Self { scope: Some(scope) }
    }

    /// Cancels the context. Nothing happens if it is over already.
    pub fn cancel(&self) {
        if let Some(scope) = &self.scope {
            scope.cancel(None);
        }
    }

    /// Cancels the context and says why. If it is over already, that cause stays.
    pub fn cancel_because(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        if let Some(scope) = &self.scope {
            scope.cancel(Some(Arc::from(cause.into())));
        }
    }

    /// Lets go of the context: it will end by its deadline, or with its parent.
    pub fn disarm(mut self) {
        self.scope = None;
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for CancelGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelGuard").finish_non_exhaustive()
    }
}
