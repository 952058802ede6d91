//! The body of an answer: the service's, or ours.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of an answer from a [`RateLimit`](crate::RateLimit) service: that of the service
    /// below it, or a problem document.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Service { #[pin] body: B },
        Problem { document: Bytes },
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn of_service(body: B) -> Self {
        Self {
            kind: Kind::Service { body },
        }
    }

    pub(super) fn problem(document: impl Into<Bytes>) -> Self {
        Self {
            kind: Kind::Problem {
                document: document.into(),
            },
        }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Service { body } => body.poll_frame(cx),
            KindProj::Problem { document } if document.is_empty() => Poll::Ready(None),
            KindProj::Problem { document } => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(document)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Service { body } => body.is_end_stream(),
            Kind::Problem { document } => document.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Service { body } => body.size_hint(),
            Kind::Problem { document } => SizeHint::with_exact(document.len() as u64),
        }
    }
}
