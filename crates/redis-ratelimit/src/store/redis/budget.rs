//! Until when an answer is of use.

use std::sync::Arc;

use tokio::time::Instant;

use super::breaker::Breaker;
use crate::Fault;

/// Until when an answer is of use, and who keeps count of those that come in time.
///
/// What is counted are commands, whoever waits for them: one that many checks share counts once,
/// and one that nobody waits for any more counts too.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    deadline: Instant,
    breaker: Option<Arc<Breaker>>,
}

impl Budget {
    pub(crate) fn counted(deadline: Instant, breaker: &Arc<Breaker>) -> Self {
        Self {
            deadline,
            breaker: Some(Arc::clone(breaker)),
        }
    }

    /// For what is asked whatever the breaker says.
    pub(crate) fn uncounted(deadline: Instant) -> Self {
        Self {
            deadline,
            breaker: None,
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn count<T>(&self, answer: &Result<T, Fault>) {
        let Some(breaker) = &self.breaker else { return };
        match answer {
            Err(fault) if fault.counts_as_outage() => breaker.failed(Instant::now()),
            Ok(_) | Err(_) => breaker.succeeded(Instant::now()),
        }
    }
}
