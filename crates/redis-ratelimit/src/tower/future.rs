//! The future asks the limiter, and then the service.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::ResponseBody;
use super::answer::{Asker, refusal};
use super::rules::{Limits, Rules};
use crate::{CheckError, Verdict};

type Deciding = Pin<Box<dyn Future<Output = (Limits, Result<Verdict, CheckError>)> + Send>>;

pin_project! {
    /// The future of a request to a [`RateLimit`](crate::RateLimit) service.
    ///
    /// # Panics
    ///
    /// When it is polled after it has completed.
    ///
    /// # Cancel safety
    ///
    /// Dropped before it is polled, it has asked and taken nothing. Dropped later, the units may
    /// have been taken; the request is passed on only once they are. A service that was ready for
    /// the request is dropped uncalled if the request is denied, with all that it had reserved.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        rules: Rules,
        asker: Asker,
        #[pin]
        state: State<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        // Not asked yet.
        New { call: Option<(S, Request<B>)>, limits: Option<Limits> },
        Deciding { call: Option<(S, Request<B>)>, deciding: Deciding },
        // The states are written into the headers of the answer.
        Answering { limits: Limits, verdict: Verdict, #[pin] answer: F },
        Done,
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    /// Asks on behalf of a request to `service`, which must be ready.
    pub(super) fn new(service: S, rules: Rules, request: Request<B>) -> Self {
        let (parts, body) = request.into_parts();
        let (limits, asker) = (rules.of(&parts), Asker::of(&parts));
        let request = Request::from_parts(parts, body);
        let state = State::New {
            call: Some((service, request)),
            limits: Some(limits),
        };
        Self {
            rules,
            asker,
            state,
        }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let (call, limits, verdict) = match this.state.as_mut().project() {
                StateProj::New { call, limits } => {
                    let (call, limits) = (call.take(), limits.take());
                    let limits = limits.expect("set on entry, taken on leaving");
                    let Some(verdict) = this.rules.try_decide(&limits).transpose() else {
                        let deciding = Box::pin(this.rules.decide(limits));
                        this.state.set(State::Deciding { call, deciding });
                        continue;
                    };
                    (call, limits, verdict)
                }
                StateProj::Deciding { call, deciding } => {
                    let (limits, verdict) = ready!(deciding.as_mut().poll(cx));
                    (call.take(), limits, verdict)
                }
                StateProj::Answering {
                    limits,
                    verdict,
                    answer,
                } => {
                    let mut answer = ready!(answer.poll(cx))?.map(ResponseBody::of_service);
                    this.rules
                        .headers
                        .append(answer.headers_mut(), &limits.limits, verdict);
                    this.state.set(State::Done);
                    return Poll::Ready(Ok(answer));
                }
                StateProj::Done => panic!("a future was polled after it had completed"),
            };
            match verdict {
                Ok(verdict) if verdict.is_admitted() => {
                    let (mut service, request) = call.expect("set on entry, taken on leaving");
                    let answer = service.call(request);
                    this.state.set(State::Answering {
                        limits,
                        verdict,
                        answer,
                    });
                }
                refused => {
                    // This drops the ready service before the client has its answer.
                    this.state.set(State::Done);
                    drop(call);
                    return Poll::Ready(Ok(refusal(
                        *this.asker,
                        this.rules.headers,
                        &limits,
                        &refused,
                    )));
                }
            }
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
