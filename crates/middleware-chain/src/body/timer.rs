//! A timer that is set when there is something to wait for.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Ends a wait that is too long in itself, or goes beyond a deadline.
#[derive(Debug)]
pub(super) struct Timer {
    idle: Option<Duration>,
    deadline: Option<Instant>,
    waiting: bool,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    pub(super) const fn new(idle: Option<Duration>, deadline: Option<Instant>) -> Self {
        Self {
            idle,
            deadline,
            waiting: false,
            sleep: None,
        }
    }

    /// There was something: the next wait is another one.
    pub(super) const fn goes_on(&mut self) {
        self.waiting = false;
    }

    /// There was nothing. Ready when that was so for too long.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waiting {
            // Later than any clock can say is never.
            let idle = self.idle.and_then(|idle| Instant::now().checked_add(idle));
            let Some(due) = idle.into_iter().chain(self.deadline).min() else {
                return Poll::Pending;
            };
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(due),
                None => self.sleep = Some(Box::pin(sleep_until(due))),
            }
            self.waiting = true;
        }
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}
