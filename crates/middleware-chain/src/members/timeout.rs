//! Bounds on time.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use http::StatusCode;
use tokio::time::{Sleep, sleep_until};

use crate::{Error, Exchange, Middleware, Next, Outcome, Result, Role};

/// Bounds the time that a request takes: in all, to the head of its answer, or between two frames
/// of a body. What is inside is dropped before the 503 goes out.
///
/// The total and the time to the head count from [`Exchange::started`], which is now if no member outside
/// of it has asked before. A handler that is ready at once sets no timer. Handlers can read when they are
/// due from [`Exchange::deadline`].
///
/// ```
/// use std::time::Duration;
/// use middleware_chain::Timeout;
///
/// let timeout = Timeout::total(Duration::from_secs(30)).request_idle(Duration::from_secs(5));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeout {
    total: Option<Duration>,
    head: Option<Duration>,
    idle: Option<Duration>,
    request_idle: Option<Duration>,
    status: Option<StatusCode>,
}

impl Timeout {
    /// Bounds the time to the last byte of the answer. A body that is not through by then ends in an
    /// error.
    #[must_use]
    pub fn total(limit: Duration) -> Self {
        Self {
            total: Some(limit),
            ..Self::default()
        }
    }

    /// Bounds the time to the head of the answer: for downloads and streams.
    #[must_use]
    pub fn head(limit: Duration) -> Self {
        Self {
            head: Some(limit),
            ..Self::default()
        }
    }

    /// Bounds the time that the service takes for the next frame of its answer.
    #[must_use]
    pub const fn idle(mut self, limit: Duration) -> Self {
        self.idle = Some(limit);
        self
    }

    /// Bounds the time that the client takes for the next frame of its request. The service gets an
    /// error in its place.
    #[must_use]
    pub const fn request_idle(mut self, limit: Duration) -> Self {
        self.request_idle = Some(limit);
        self
    }

    /// Answers with another status than 503.
    #[must_use]
    pub const fn status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }
}

impl Middleware for Timeout {
    async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
        let rules = &mut cx.body_rules;
        rules.response_idle = sooner(rules.response_idle, self.idle);
        rules.request_idle = sooner(rules.request_idle, self.request_idle);
        rules.has_deadline |= self.total.is_some();
        // Later than any clock can say is never.
        let total = self.total.and_then(|it| cx.started().checked_add(it));
        if let Some(deadline) = total {
            cx.limit_deadline(deadline);
        }
        let head = self.head.and_then(|it| cx.started().checked_add(it));
        let due = sooner(total, head);
        let late = {
            let mut running = pin!(next.run(cx));
            let mut sleep: Option<Pin<Box<Sleep>>> = None;
            poll_fn(|task| {
                if let Poll::Ready(result) = running.as_mut().poll(task) {
                    return Poll::Ready(Some(result));
                }
                let Some(due) = due else {
                    return Poll::Pending;
                };
                let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
                sleep.as_mut().poll(task).map(|()| None)
            })
            .await
        };
        late.unwrap_or_else(|| {
            let status = self.status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Err(Error::with(status, Outcome::Timeout))
        })
    }

    fn role(&self) -> Role {
        Role::Timeout
    }
}

fn sooner<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}
