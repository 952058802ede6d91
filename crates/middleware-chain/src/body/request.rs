//! The body that a service gets.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::timer::Timer;
use super::{Body, BodyRules, Meter};
use crate::{BoxError, Error, Outcome};

/// The body of a request within and behind a chain: counted, bounded in size and in the time
/// between two frames, as the members ask.
pub struct RequestBody {
    body: Body,
    bounds: Option<Box<Bounds>>,
}

struct Bounds {
    meter: Arc<Meter>,
    limit: u64,
    timer: Timer,
}

impl RequestBody {
    /// A body without bounds.
    pub fn new<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self {
            body: Body::new(body),
            bounds: None,
        }
    }

    /// No body at all.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            body: Body::empty(),
            bounds: None,
        }
    }

    /// Counts it from here on, and holds it to the rules. An empty one needs none of it.
    pub(crate) fn bound(&mut self, rules: &BodyRules) -> Option<Arc<Meter>> {
        if self.body.is_end_stream() {
            return None;
        }
        let meter = Meter::new();
        self.bounds = Some(Box::new(Bounds {
            meter: Arc::clone(&meter),
            limit: rules.limit.unwrap_or(u64::MAX),
            timer: Timer::new(rules.request_idle, None),
        }));
        Some(meter)
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        let Some(bounds) = &mut this.bounds else {
            return polled;
        };
        if polled.is_pending() {
            ready!(bounds.timer.poll_wait(cx));
            let error = Error::with(StatusCode::REQUEST_TIMEOUT, Outcome::Timeout);
            return Poll::Ready(Some(Err(error.into_boxed())));
        }
        bounds.timer.goes_on();
        let frame = ready!(polled);
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
            && bounds.meter.add(data.len() as u64) > bounds.limit
        {
            bounds.meter.goes_over();
            let error = Error::status(StatusCode::PAYLOAD_TOO_LARGE);
            return Poll::Ready(Some(Err(error.into_boxed())));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}
