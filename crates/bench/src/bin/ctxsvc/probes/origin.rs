//! What is behind each cache: one row, and what it does when it is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
#[error("the repository has failed")]
pub(crate) struct Failed;

/// How a load ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    Well,
    InFailure,
    InPanic,
}

/// A row, and how often it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    row: Arc<AtomicU64>,
    loads: Arc<AtomicU64>,
    takes: Duration,
    ends: Ends,
}

impl Origin {
    pub(crate) fn new(takes: Duration, ends: Ends) -> Self {
        Self {
            row: Arc::new(AtomicU64::new(1)),
            loads: Arc::default(),
            takes,
            ends,
        }
    }

    pub(crate) fn loads(&self) -> u64 {
        self.loads.load(Ordering::SeqCst)
    }

    pub(crate) fn write(&self) -> u64 {
        self.row.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Reads the row first, and takes its time then: as a query does whose answer is on its way.
    pub(crate) async fn load(self) -> Result<u64, Failed> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let row = self.row.load(Ordering::SeqCst);
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
        match self.ends {
            Ends::Well => Ok(row),
            Ends::InFailure => Err(Failed),
            Ends::InPanic => panic!("the repository panics"),
        }
    }
}
