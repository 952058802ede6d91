//! What is to be done after a context.

use std::sync::Arc;

use super::Ctx;
use crate::Done;
use crate::sync::{AtomicBool, Ordering};

impl Ctx {
    /// Calls `f` when the context is over, in a task of its own: never inside of the call that
    /// cancels. If it is over already, that is soon. `f` runs once, or never if it was stopped.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn after_done(&self, f: impl FnOnce(Done) + Send + 'static) -> AfterDone {
        let taken = Arc::new(AtomicBool::new(false));
        let (ctx, claim) = (self.clone(), Arc::clone(&taken));
        let task = tokio::spawn(async move {
            let done = ctx.done().await;
            if !claim.swap(true, Ordering::SeqCst) {
                f(done);
            }
        });
        AfterDone { taken, task }
    }
}

/// What is to be done after a context. From [`Ctx::after_done`]; to drop it changes nothing.
#[derive(Debug)]
pub struct AfterDone {
    /// By the one who calls the function, or by the one who stops it.
    taken: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl AfterDone {
    /// True if the function will never run because of this call. False if it has run, is running,
    /// or was stopped before.
    #[must_use = "it says whether the function may still have run"]
    pub fn stop(&self) -> bool {
        let is_first = !self.taken.swap(true, Ordering::SeqCst);
        if is_first {
            self.task.abort();
        }
        is_first
    }
}
