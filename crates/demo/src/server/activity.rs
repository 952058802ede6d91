//! Whether a connection has a request under way.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::watch;
use tokio::time::sleep;

/// The number of requests under way on one connection.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    under_way: watch::Sender<usize>,
}

/// One request, from its last header to the last byte of its answer.
#[derive(Debug)]
pub(super) struct UnderWay {
    under_way: watch::Sender<usize>,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            under_way: watch::Sender::new(0),
        }
    }

    pub(super) fn begin(&self) -> UnderWay {
        self.under_way.send_modify(|requests| *requests += 1);
        UnderWay {
            under_way: self.under_way.clone(),
        }
    }

    /// Ends once no request has been under way for as long as `limit`.
    pub(super) async fn idle_for(&self, limit: Duration) {
        let mut under_way = self.under_way.subscribe();
        loop {
            let is_closed = under_way.wait_for(|requests| *requests == 0).await.is_err();
            if is_closed {
                return;
            }
            tokio::select! {
                // If both have happened, a request came in time and was only seen late.
                biased;
                _ = under_way.changed() => {}
                () = sleep(limit) => return,
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.under_way.send_modify(|requests| *requests -= 1);
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
    pub(super) const fn new(body: B, under_way: UnderWay) -> Self {
        Self { body, under_way }
    }
}

impl<B: Body<Data = Bytes>> Body for ActiveBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().body.poll_frame(cx)
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
    use tokio::time::{Instant, advance};

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
}
