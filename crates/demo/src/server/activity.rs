//! What a connection is about: the requests under way on it, and the answers that wait for the
//! client.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, sleep_until};

/// The activity of one connection.
///
/// A request only takes notes. The two timers read them when their time is up, and are set anew for
/// what is left: to set a timer for each request would cost more than to serve it.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    notes: Arc<Mutex<Notes>>,
}

#[derive(Debug)]
struct Notes {
    requests_begun: u64,
    under_way: usize,
    /// Since when no request is under way, if none is.
    idle_since: Instant,
    /// Since when which answers wait for room on the connection. A list, because there are few.
    waits: Vec<(Instant, u64)>,
}

/// One request, from its last header to the last byte of its answer.
#[derive(Debug)]
pub(super) struct UnderWay {
    activity: Activity,
    number: u64,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            notes: Arc::new(Mutex::new(Notes {
                requests_begun: 0,
                under_way: 0,
                idle_since: Instant::now(),
                waits: Vec::new(),
            })),
        }
    }

    pub(super) fn begin(&self) -> UnderWay {
        let mut notes = self.notes();
        notes.requests_begun += 1;
        notes.under_way += 1;
        UnderWay {
            number: notes.requests_begun,
            activity: self.clone(),
        }
    }

    /// Ends once no request has been under way for as long as `limit`, counted from now.
    pub(super) async fn idle_for(&self, limit: Duration) {
        let asked = Instant::now();
        loop {
            let since = {
                let notes = self.notes();
                match notes.under_way {
                    0 => notes.idle_since.max(asked),
                    _ => Instant::now(),
                }
            };
            if since.elapsed() >= limit {
                return;
            }
            sleep_until(since + limit).await;
        }
    }

    /// Ends once an answer has been waiting for as long as `limit`.
    ///
    /// A timeout of the socket alone would not do: in HTTP/2 a client gives each answer its room,
    /// and can go on talking while it gives none.
    pub(super) async fn stalled_for(&self, limit: Duration) {
        loop {
            let oldest = self.notes().waits.iter().map(|(since, _)| *since).min();
            let since = oldest.unwrap_or_else(Instant::now);
            if since.elapsed() >= limit {
                return;
            }
            sleep_until(since + limit).await;
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        // Nothing panics while it holds the lock.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// There is something to send, and no room for it yet.
    fn waits(&self) {
        let wait = (Instant::now(), self.number);
        self.activity.notes().waits.push(wait);
    }

    fn goes_on(&self) {
        let mut notes = self.activity.notes();
        notes.waits.retain(|(_, number)| *number != self.number);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.goes_on();
        let mut notes = self.activity.notes();
        notes.under_way -= 1;
        notes.idle_since = Instant::now();
    }
}

pin_project! {
    /// A response body that keeps its request under way until it is sent.
    #[derive(Debug)]
    pub(super) struct ActiveBody<B> {
        #[pin]
        body: B,
        under_way: UnderWay,
    }
}

impl<B> ActiveBody<B> {
    pub(super) fn new(body: B, under_way: UnderWay) -> Self {
        under_way.waits();
        Self { body, under_way }
    }
}

impl<B: Body<Data = Bytes>> Body for ActiveBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    /// hyper asks for a frame as soon as it has room for one.
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        this.under_way.goes_on();
        let frame = this.body.poll_frame(cx);
        if let Poll::Ready(Some(Ok(_))) = frame {
            this.under_way.waits();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt;
    use tokio::time::advance;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_only_when_no_request_is_under_way() {
        let activity = Activity::new();
        let started = Instant::now();
        let requests = async {
            advance(LIMIT / 2).await;
            let first = activity.begin();
            let second = activity.begin();
            advance(LIMIT * 3).await;
            drop(first);
            advance(LIMIT * 3).await;
            drop(second);
        };
        tokio::join!(requests, activity.idle_for(LIMIT));
        assert_eq!(started.elapsed(), LIMIT / 2 + LIMIT * 7);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_is_idle_from_its_start() {
        let started = Instant::now();
        Activity::new().idle_for(LIMIT).await;
        assert_eq!(started.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_answer_that_finds_no_room_is_stalled() {
        let activity = Activity::new();
        let started = Instant::now();
        let answers = async {
            // A handler that takes its time is waited for, and so is a body that has nothing yet.
            let slow = activity.begin();
            advance(LIMIT * 3).await;
            let mut taken = Box::pin(ActiveBody::new(Body::from("taken"), slow));
            advance(LIMIT / 2).await;
            taken.frame().await.expect("a frame").expect("no error");
            advance(LIMIT / 2).await;
            drop(taken);
            advance(LIMIT).await;
            let _stuck = ActiveBody::new(Body::from("stuck"), activity.begin());
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = activity.stalled_for(LIMIT) => {}
            () = answers => {}
        }
        assert_eq!(started.elapsed(), LIMIT * 6);
    }
}
