//! When a response is over.

use std::cell::Cell;
use std::task::{Context, Poll};

use http::{Method, StatusCode, response};
use tokio::time::Instant;

use super::timer::Timer;
use crate::Outcome;
use crate::panics::caught;
use crate::raw::Frame;

/// What is known of the body of a response. It lies in the frame.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    sent: u64,
    /// Bytes after which a server asks for no more frames.
    length: Option<u64>,
    outcome: Option<Outcome>,
    pub(super) is_polling: bool,
    /// The head is out, and more than one frame is to come.
    has_begun: bool,
    pub(super) catches_panics: bool,
    /// By itself, when it was asked something: the next frame says so.
    pub(super) has_panicked: Cell<bool>,
    /// Made when there is something to wait for, which is seldom.
    pub(super) timer: Option<Box<Timer>>,
}

/// Ends the request with the body of its response, exactly once: when it is dropped.
#[derive(Debug)]
pub(crate) struct Ending(Frame);

impl Ending {
    pub(crate) fn new(mut frame: Frame, head: &response::Parts) -> Self {
        let exchange = frame.exchange();
        exchange.head_is_done(head.status);
        let method = &exchange.request().method;
        let upgrades = head.status == StatusCode::SWITCHING_PROTOCOLS
            || (method == Method::CONNECT && head.status.is_success());
        let has_no_body = method == Method::HEAD
            || head.status.is_informational()
            || head.status == StatusCode::NO_CONTENT
            || head.status == StatusCode::NOT_MODIFIED;
        let outcome = upgrades.then_some(Outcome::Upgraded).or(exchange.outcome());
        let catches_panics = exchange.body_rules.catches_panics;
        let watch = frame.watch();
        watch.length = if has_no_body { Some(0) } else { declared(head) };
        watch.outcome = outcome;
        watch.catches_panics = catches_panics;
        Self(frame)
    }

    pub(super) fn watch(&mut self) -> &mut Watch {
        self.0.watch()
    }

    /// Where the head does not say it, `length` is what the body says of itself.
    pub(super) fn or_length(&mut self, length: impl FnOnce(&Self) -> Option<u64>) {
        if self.0.watch().length.is_none() {
            self.0.watch().length = length(self);
        }
    }

    /// What the body says of itself. If it panics instead, it says nothing, and is not believed again.
    pub(super) fn says<T: Default>(&self, ask: impl FnOnce() -> T) -> T {
        let watch = self.0.watched();
        if !watch.catches_panics {
            return ask();
        }
        if watch.has_panicked.get() {
            return T::default();
        }
        caught(ask).unwrap_or_else(|| {
            watch.has_panicked.set(true);
            T::default()
        })
    }

    /// The body has something, or nothing yet, and that is not all of it.
    pub(super) fn goes_on(&mut self) {
        if !std::mem::replace(&mut self.0.watch().has_begun, true) {
            self.0.exchange().head_is_out();
        }
    }

    /// Whether the time for all of it is up, which a body that always has more does not wait for.
    pub(super) fn is_late(&mut self) -> bool {
        let has_begun = self.0.watch().has_begun;
        has_begun && self.deadline().is_some_and(|due| due <= Instant::now())
    }

    fn deadline(&mut self) -> Option<Instant> {
        let exchange = self.0.exchange();
        let holds = exchange.body_rules.has_deadline;
        exchange.deadline().filter(|_| holds)
    }

    /// The body has nothing for now. Ready when that was so for too long.
    pub(super) fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline();
        let idle = self.0.exchange().body_rules.response_idle;
        if idle.is_none() && deadline.is_none() {
            return Poll::Pending;
        }
        let timer = &mut self.0.watch().timer;
        let timer = timer.get_or_insert_with(|| Box::new(Timer::new(idle, deadline)));
        timer.poll_wait(cx)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let watch = self.0.watch();
        let (outcome, sent) = (watch.final_outcome(), watch.sent);
        self.0.set_exit(outcome, sent);
    }
}

impl Watch {
    pub(super) const fn sends(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// A server asks for no frame after these.
    pub(super) const fn has_sent_all(&mut self) {
        self.length = Some(self.sent);
    }

    pub(super) const fn fails(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    fn final_outcome(&self) -> Outcome {
        if self.is_polling || self.has_panicked.get() {
            return Outcome::Panic;
        }
        let is_complete = self.length.is_some_and(|length| self.sent >= length);
        match self.outcome {
            Some(outcome) => outcome,
            None if is_complete => Outcome::Complete,
            None => Outcome::Aborted,
        }
    }
}

fn declared(head: &response::Parts) -> Option<u64> {
    let length = head.headers.get(http::header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}
