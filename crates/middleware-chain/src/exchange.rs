//! One request and its response, while they pass the chain.

use std::fmt;
use std::mem;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, request, response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::body::{BodyRules, Meter};
use crate::{Error, Exit, Outcome, raw};

/// One request and its response, while they pass the chain.
///
/// It stays where it is: middleware get a reference, so that nothing large is moved from one to the
/// next.
pub struct Exchange {
    pub(crate) request: request::Parts,
    pub(crate) response: Option<response::Parts>,
    /// The body of an answer that was given within the chain.
    pub(crate) own_body: Option<Bytes>,
    status: Option<StatusCode>,
    outcome: Option<Outcome>,
    error: Option<Error>,
    started: Option<Instant>,
    first_byte: Option<Duration>,
    deadline: Option<Instant>,
    client: Option<IpAddr>,
    request_id: Option<HeaderValue>,
    route: Option<RouteSlot>,
    #[cfg(feature = "tracing")]
    trace: Option<([u8; 16], [u8; 8])>,
    pub(crate) body_rules: BodyRules,
    pub(crate) meter: Option<Arc<Meter>>,
    at_exit: Vec<AtExit>,
}

/// What passes a tower layer, in the request's extensions.
#[derive(Clone)]
pub(crate) struct Known {
    started: Option<Instant>,
    deadline: Option<Instant>,
    client: Option<IpAddr>,
    request_id: Option<HeaderValue>,
    route: Option<RouteSlot>,
    #[cfg(feature = "tracing")]
    trace: Option<([u8; 16], [u8; 8])>,
}

/// What is done when the request is over.
enum AtExit {
    Call(Call),
    /// Let go, before anything is called.
    Slot(OwnedSemaphorePermit),
}

type Call = Box<dyn FnOnce(&Exit<'_>) + Send>;

/// Shows that there is an answer: only [`Exchange::answer`] and [`Next::run`](crate::Next::run)
/// give one, so a middleware that does neither does not compile.
#[must_use = "return it: it shows that the request has an answer"]
#[derive(Debug)]
pub struct Done(());

impl Done {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

impl Exchange {
    #[inline]
    pub(crate) fn new(request: request::Parts) -> Self {
        Self {
            request,
            response: None,
            own_body: None,
            status: None,
            outcome: None,
            error: None,
            started: None,
            first_byte: None,
            deadline: None,
            client: None,
            request_id: None,
            route: None,
            #[cfg(feature = "tracing")]
            trace: None,
            body_rules: BodyRules::default(),
            meter: None,
            at_exit: Vec::new(),
        }
    }

    /// The head of the request. Once the service has it, only method, URI and version are left
    /// here: keep what you need afterwards.
    #[must_use]
    pub const fn request(&self) -> &request::Parts {
        &self.request
    }

    /// The head of the request, to be changed before the service gets it. The extensions are what
    /// handlers see.
    pub const fn request_mut(&mut self) -> &mut request::Parts {
        &mut self.request
    }

    /// The head of the response, once there is one.
    #[must_use]
    pub const fn response(&self) -> Option<&response::Parts> {
        self.response.as_ref()
    }

    /// The head of the response, once there is one.
    pub const fn response_mut(&mut self) -> Option<&mut response::Parts> {
        self.response.as_mut()
    }

    /// Answers here, in place of what is inside, or of the answer that came from there. An error that
    /// this stood for is forgotten: its text is not for whoever gets another answer.
    ///
    /// ```
    /// use http::Response;
    /// use middleware_chain::{Exchange, Next, Result};
    ///
    /// async fn teapot(cx: &mut Exchange, _next: Next<'_>) -> Result {
    ///     Ok(cx.answer(Response::new("short and stout")))
    /// }
    /// ```
    pub fn answer(&mut self, response: Response<impl Into<Bytes>>) -> Done {
        self.error = None;
        self.render(response)
    }

    /// Answers for the error that is known already, if there is one.
    pub(crate) fn render(&mut self, response: Response<impl Into<Bytes>>) -> Done {
        let (parts, body) = response.into_parts();
        self.response = Some(parts);
        self.own_body = Some(body.into());
        Done(())
    }

    /// Turns an error into a bare answer, and remembers it.
    pub(crate) fn fail(&mut self, error: Error) -> Done {
        let is_clients = error.outcome() == Outcome::Error && error.status_code().is_client_error();
        self.outcome = (!is_clients).then_some(error.outcome());
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = error.status_code();
        self.error = Some(error);
        self.render(response)
    }

    /// The error that the response stands for, if it does.
    #[must_use]
    pub const fn error(&self) -> Option<&Error> {
        self.error.as_ref()
    }

    /// Says how the request will have ended, unless worse befalls it. The rest of the chain says so
    /// anew when it runs.
    pub const fn set_outcome(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
    }

    pub(crate) const fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// When the request began: the time of the first call. All members share it.
    pub fn started(&mut self) -> Instant {
        *self.started.get_or_insert_with(Instant::now)
    }

    /// When it began, if anybody has asked.
    pub(crate) const fn began(&self) -> Option<Instant> {
        self.started
    }

    pub(crate) const fn first_byte(&self) -> Option<Duration> {
        self.first_byte
    }

    /// The head goes out.
    pub(crate) const fn head_is_done(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// The server asks for the body, and there will be more of it.
    pub(crate) fn head_is_out(&mut self) {
        self.first_byte = self.began().map(|began| began.elapsed());
    }

    pub(crate) const fn status_sent(&self) -> Option<StatusCode> {
        self.status
    }

    pub(crate) fn bytes_in(&self) -> u64 {
        self.meter.as_ref().map_or(0, |meter| meter.bytes())
    }

    /// When the answer is due, if anybody has said so.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Brings the deadline forward: a later one than there is changes nothing.
    pub fn limit_deadline(&mut self, deadline: Instant) {
        let sooner = self.deadline.map_or(deadline, |old| old.min(deadline));
        self.deadline = Some(sooner);
    }

    /// The client's address, if a [`ClientAddr`](crate::ClientAddr) has found it.
    #[must_use]
    pub const fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// Says what the client's address is.
    pub const fn set_client(&mut self, client: IpAddr) {
        self.client = Some(client);
    }

    /// The request's id, if a [`RequestId`](crate::RequestId) has given it one.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_ref().and_then(|id| id.to_str().ok())
    }

    pub(crate) const fn request_id_value(&self) -> Option<&HeaderValue> {
        self.request_id.as_ref()
    }

    pub(crate) fn set_request_id(&mut self, id: HeaderValue) {
        self.request_id = Some(id);
    }

    /// The route's template, if the router has said it: see [`RouteTag`](crate::RouteTag).
    #[must_use]
    pub fn route(&self) -> Option<&str> {
        self.route.as_ref().and_then(RouteSlot::get)
    }

    pub(crate) fn set_route_slot(&mut self, slot: RouteSlot) {
        self.route = Some(slot);
    }

    /// Calls back when the request is over, whatever became of it.
    ///
    /// What the closure owns lives until then: that is how a permit is held to the last byte.
    pub fn at_exit(&mut self, call: impl FnOnce(&Exit<'_>) + Send + 'static) {
        self.at_exit.push(AtExit::Call(Box::new(call)));
    }

    pub(crate) fn hold(&mut self, slot: OwnedSemaphorePermit) {
        self.at_exit.push(AtExit::Slot(slot));
    }

    pub(crate) fn holds_slot_of(&self, slots: &Arc<Semaphore>) -> bool {
        self.at_exit.iter().any(|it| match it {
            AtExit::Call(_) => false,
            AtExit::Slot(slot) => Arc::ptr_eq(slot.semaphore(), slots),
        })
    }

    /// What is to be called when it is over, the last one first. What is held is let go.
    pub(crate) fn take_at_exit(&mut self) -> Vec<Call> {
        if self.at_exit.is_empty() {
            return Vec::new();
        }
        let all = mem::take(&mut self.at_exit).into_iter().rev();
        all.filter_map(|it| match it {
            AtExit::Call(call) => Some(call),
            AtExit::Slot(_) => None,
        })
        .collect()
    }

    pub(crate) const fn has_at_exit(&self) -> bool {
        !self.at_exit.is_empty()
    }

    /// Leaves in the request what the part of the chain behind a tower layer is to know.
    pub(crate) fn pass_on_known(&mut self) {
        let known = Known {
            started: self.started,
            deadline: self.deadline,
            client: self.client,
            request_id: self.request_id.clone(),
            route: self.route.clone(),
            #[cfg(feature = "tracing")]
            trace: self.trace,
        };
        self.request.extensions.insert(known);
    }

    /// Behind a tower layer: takes over what the part of the chain before it knew.
    pub(crate) fn take_known(&mut self) {
        if let Some(known) = self.request.extensions.remove::<Known>() {
            self.started = known.started;
            self.deadline = known.deadline;
            self.client = known.client;
            self.request_id = known.request_id;
            self.route = known.route;
            #[cfg(feature = "tracing")]
            {
                self.trace = known.trace;
            }
        }
    }

    /// Gives the request to the service, and keeps its first line.
    #[inline]
    pub(crate) fn take_request<B>(&mut self, body: B) -> Request<B> {
        Request::from_parts(raw::take_head(&mut self.request), body)
    }

    /// What an earlier run has ended in is over.
    #[inline]
    pub(crate) fn forget_end(&mut self) {
        // Looked at first, because each member of a chain comes by here.
        if self.outcome.is_some() || self.error.is_some() {
            self.outcome = None;
            self.error = None;
        }
    }

    /// Puts in what the service has answered.
    #[inline]
    pub(crate) fn set_response(&mut self, parts: response::Parts) -> Done {
        self.response = Some(parts);
        self.own_body = None;
        self.forget_end();
        Done(())
    }
}

#[cfg(feature = "tracing")]
impl Exchange {
    /// The ids of the trace and of the request's span, if a [`Trace`](crate::Trace) has given them.
    pub(crate) const fn trace(&self) -> Option<([u8; 16], [u8; 8])> {
        self.trace
    }

    pub(crate) const fn set_trace(&mut self, context: &crate::TraceContext) {
        self.trace = Some((context.trace_id(), context.span_id()));
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange")
            .field("method", &self.request.method)
            .field("status", &self.response.as_ref().map(|it| it.status))
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// Where a router leaves the template of the route it has chosen, such as `/users/{id}`, for the
/// members outside of it. It lies in the request's extensions.
#[derive(Debug, Clone, Default)]
pub struct RouteSlot(Arc<OnceLock<Arc<str>>>);

impl RouteSlot {
    /// Leaves the template here. The first one stays.
    pub fn set(&self, template: &str) {
        let _kept = self.0.set(Arc::from(template));
    }

    pub(crate) fn get(&self) -> Option<&str> {
        self.0.get().map(|route| &**route)
    }
}
