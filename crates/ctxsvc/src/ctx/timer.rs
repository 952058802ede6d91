//! What rings for a scope: the timer of its deadline, and a foreign token.
//!
//! The timer is the scope's, not that of a future that waits: it rings also when the one for whom
//! it was set has gone. It rings early when its runtime shuts down; then those who wait look
//! again, and one on another runtime sets another timer.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};

use tokio::task::coop::unconstrained;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::scope::Scope;
use crate::Done;
use crate::sync::Ordering;

/// A future that was polled with a [`Bell`].
pub(super) type Alarm = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Rings for a scope, which it does not keep alive.
struct Bell {
    scope: Weak<Scope>,
    token: Option<CancellationToken>,
}

impl Scope {
    /// Makes sure that there is a timer for the deadline. If that has passed, says so.
    pub(super) fn arm(self: &Arc<Self>) -> Option<Done> {
        let owner = self.deadline_owner()?;
        let deadline = owner.deadline()?;
        // ORDERING: Acquire, with the AcqRel below. A timer that comes a moment later will do: it
        // is set by the one who has won, and rings for all.
        if owner.is_armed.load(Ordering::Acquire) {
            return None;
        }
        // Without tokio's budget, which would have it ring before it is set.
        let mut timer: Alarm = Box::pin(unconstrained(sleep_until(deadline)));
        if owner.is_armed.swap(true, Ordering::AcqRel) {
            return None;
        }
        if rings(owner, &mut timer, None) {
            return self.settle(Some(deadline));
        }
        owner.keep_timer(timer);
        None
    }

    /// Ends this scope with the token.
    pub(super) fn follow(self: &Arc<Self>, token: &CancellationToken) {
        let cancelled = token.clone().cancelled_owned();
        let mut foreign: Alarm = Box::pin(unconstrained(cancelled));
        if rings(self, &mut foreign, Some(token.clone())) {
            self.cancel(None);
        } else {
            self.keep_foreign(foreign);
        }
    }
}

/// Sets an alarm. True if it rings already.
fn rings(scope: &Arc<Scope>, alarm: &mut Alarm, token: Option<CancellationToken>) -> bool {
    let scope = Arc::downgrade(scope);
    let waker = Waker::from(Arc::new(Bell { scope, token }));
    alarm
        .as_mut()
        .poll(&mut Context::from_waker(&waker))
        .is_ready()
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let Some(scope) = self.scope.upgrade() else {
            return;
        };
        if let Some(token) = &self.token {
            if token.is_cancelled() {
                scope.cancel(None);
            }
        } else if scope.settle(Some(Instant::now())).is_none() {
            // ORDERING: Release, with the Acquire in `arm`: who is roused below sets another timer.
            scope.is_armed.store(false, Ordering::Release);
            scope.rouse();
        }
    }
}
