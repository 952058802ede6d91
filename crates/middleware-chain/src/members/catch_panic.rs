//! A panic is an answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use http::StatusCode;

use crate::panics::caught;
use crate::{Error, Exchange, Middleware, Next, Outcome, Result, Role};

/// Turns a panic inside into an error with the status 500, and one in the response's body, whatever it
/// was asked, into an error in place of its next frame. Its text is for the panic hook: the client does
/// not see it.
#[derive(Debug, Clone, Copy, Default)]
pub struct CatchPanic(());

impl CatchPanic {
    /// One that catches all panics that unwind.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl Middleware for CatchPanic {
    async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
        cx.body_rules.catches_panics = true;
        // What is inside is dropped after a panic, and never looked at again.
        let Some(mut running) = caught(|| next.run(cx)) else {
            return Err(panicked());
        };
        let result = poll_fn(|task| {
            let polled = caught(|| Pin::new(&mut running).poll(task));
            polled.unwrap_or_else(|| Poll::Ready(Err(panicked())))
        })
        .await;
        // Here, and not at the end: that is another chance to panic.
        let dropped = caught(|| drop(running));
        dropped.map_or_else(|| Err(panicked()), |()| result)
    }

    fn role(&self) -> Role {
        Role::CatchPanic
    }
}

fn panicked() -> Error {
    Error::with(StatusCode::INTERNAL_SERVER_ERROR, Outcome::Panic)
}
