//! Responses under a context.

use std::pin::Pin;
use std::task::{Context, Poll};

use http::{HeaderValue, Response, StatusCode};
use pin_project_lite::pin_project;

use crate::{CancelGuard, Ctx, Done, Run, Scoped};

/// The status `DEADLINE_EXCEEDED` of gRPC.
const GRPC_DEADLINE_EXCEEDED: HeaderValue = HeaderValue::from_static("4");

pin_project! {
    /// The response of a [`CtxService`](crate::CtxService).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct CtxFuture<F> {
        // None if it was too late to call.
        #[pin]
        response: Option<Run<Ctx, Scoped<F>>>,
        // Until there is a response.
        guard: Option<CancelGuard>,
        is_grpc: bool,
    }

    impl<F> PinnedDrop for CtxFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            if let Some(guard) = this.project().guard {
                guard.cancel_because("the client has gone");
            }
        }
    }
}

impl<F> CtxFuture<F> {
    pub(super) fn new(ctx: Ctx, response: Scoped<F>, guard: CancelGuard, is_grpc: bool) -> Self {
        Self {
            response: Some(Run::new(ctx, response)),
            guard: Some(guard),
            is_grpc,
        }
    }

    pub(super) fn late(is_grpc: bool) -> Self {
        Self {
            response: None,
            guard: None,
            is_grpc,
        }
    }
}

impl<F, B, E> Future for CtxFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Default,
{
    type Output = Result<Response<B>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = match this.response.as_pin_mut() {
            Some(response) => std::task::ready!(response.poll(cx)).ok(),
            None => None,
        };
        // What follows the head of a response is not to be cancelled.
        if let Some(guard) = this.guard.take() {
            guard.disarm();
        }
        Poll::Ready(answer.unwrap_or_else(|| Ok(too_late(*this.is_grpc))))
    }
}

fn too_late<B: Default>(is_grpc: bool) -> Response<B> {
    let mut response = Response::new(B::default());
    if is_grpc {
        let content_type = HeaderValue::from_static("application/grpc");
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, content_type);
        response
            .headers_mut()
            .insert("grpc-status", GRPC_DEADLINE_EXCEEDED);
    } else {
        *response.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    }
    response
}

pin_project! {
    /// The response of a [`Propagate`](crate::Propagate).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct PropagateFuture<F> {
        late: Option<Done>,
        #[pin]
        response: Option<Run<Ctx, F>>,
    }
}

impl<F> PropagateFuture<F> {
    pub(super) fn new(ctx: Ctx, response: F) -> Self {
        Self {
            late: None,
            response: Some(Run::new(ctx, response)),
        }
    }

    pub(super) fn late(done: Done) -> Self {
        Self {
            late: Some(done),
            response: None,
        }
    }
}

impl<F, T, E> Future for PropagateFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Output = Result<T, Box<dyn std::error::Error + Send + Sync>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(done) = this.late.take() {
            return Poll::Ready(Err(done.into()));
        }
        let response = this
            .response
            .as_pin_mut()
            .expect("it is not polled after it was ready");
        response.poll(cx).map(|answer| match answer {
            Ok(response) => response.map_err(Into::into),
            Err(done) => Err(done.into()),
        })
    }
}
