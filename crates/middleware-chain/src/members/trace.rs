//! A span for each request.

use std::net::IpAddr;

use http::header::USER_AGENT;
use http::request;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use super::cut::cut;
use super::query::redacted;
use super::semconv::{
    OTHER, error_type, method_name, method_original, scheme_name, server, version_name,
};
use crate::{Exchange, Exit, Middleware, Next, Result, Role, TraceContext};

/// Opens exactly one span for each request, by the names of OpenTelemetry's conventions for HTTP
/// servers, and closes it after the last byte of the answer or when there will be no more of them.
/// What is logged on the way to the head of the answer is in the span; its body is not.
///
/// The [`TraceContext`] of the request is in its headers `traceparent` and `tracestate`, from where a
/// handler can [`extract`](TraceContext::extract) it, also if nobody records spans. A trace that a client
/// names is continued only if [`trusting`](Self::trusting) says so.
///
/// By default nothing in the span is about a person: it has the route in place of the path, no query,
/// no address of the client, and of the headers only `Host`.
///
/// ```
/// use middleware_chain::{Chain, Trace};
///
/// # fn main() -> Result<(), middleware_chain::BuildError> {
/// let chain = Chain::builder().with(Trace::new()).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Trace {
    is_trusting: bool,
    /// Of the following, what the span has.
    shown: u8,
}

const PATH: u8 = 1;
const QUERY: u8 = 2;
const CLIENT: u8 = 4;
const USER_AGENT_ORIGINAL: u8 = 8;

impl Trace {
    /// Begins a new trace with each request.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            is_trusting: false,
            shown: 0,
        }
    }

    /// Continues the trace that a well-formed `traceparent` names, as from a service of yours.
    #[must_use]
    pub const fn trusting(mut self) -> Self {
        self.is_trusting = true;
        self
    }

    /// Adds 256 bytes of the path, without the query. It may name persons.
    #[must_use]
    pub const fn with_path(self) -> Self {
        self.with(PATH)
    }

    /// Adds 256 bytes of the query. It may name persons. Values of keys that sign or authorise are `REDACTED`:
    /// those of the conventions, and the usual names of tokens, keys, codes and passwords, also percent-encoded,
    /// in any case, with `-` or `_` or neither, and in brackets, as in `user[password]`.
    #[must_use]
    pub const fn with_query(self) -> Self {
        self.with(QUERY)
    }

    /// Adds the client's address, which [`ClientAddr`](crate::ClientAddr) finds.
    #[must_use]
    pub const fn with_client(self) -> Self {
        self.with(CLIENT)
    }

    /// Adds what the client says that it is: 256 bytes of `User-Agent`.
    #[must_use]
    pub const fn with_user_agent(self) -> Self {
        self.with(USER_AGENT_ORIGINAL)
    }

    const fn with(mut self, more: u8) -> Self {
        self.shown |= more;
        self
    }

    const fn shows(self, what: u8) -> bool {
        self.shown & what != 0
    }

    fn span(self, cx: &Exchange, context: &TraceContext, parent: Option<[u8; 8]>) -> Span {
        let request = cx.request();
        // Nothing of it is worked out if nobody records spans.
        info_span!(
            target: "middleware_chain",
            "request",
            otel.kind = "server",
            otel.name = Empty,
            otel.status_code = Empty,
            trace_id = Hex::of(context.trace_id()).as_str(),
            span_id = Hex::of(context.span_id()).as_str(),
            parent_span_id = parent.map(Hex::of).as_ref().map(Hex::as_str),
            http.request.method = method_name(&request.method),
            http.request.method_original = method_original(&request.method),
            http.route = Empty,
            http.response.status_code = Empty,
            url.scheme = scheme_name(request),
            url.path = self.shows(PATH).then(|| cut(request.uri.path())),
            url.query = self.query(request).as_deref().map(cut),
            server.address = server(request).map(|(host, _)| host),
            server.port = server(request).and_then(|(_, port)| port),
            client.address = self.client(cx).map(tracing::field::display),
            user_agent.original = self.user_agent(request),
            network.protocol.version = version_name(request.version),
            error.r#type = Empty,
        )
    }

    fn query(self, request: &request::Parts) -> Option<String> {
        let query = request.uri.query().filter(|_| self.shows(QUERY));
        // Before, so that no more is worked out than is told.
        query.map(cut).map(redacted)
    }

    fn client(self, cx: &Exchange) -> Option<IpAddr> {
        cx.client().filter(|_| self.shows(CLIENT))
    }

    fn user_agent(self, request: &request::Parts) -> Option<&str> {
        let agent = request.headers.get(USER_AGENT)?.to_str().ok()?;
        Some(cut(agent)).filter(|_| self.shows(USER_AGENT_ORIGINAL))
    }
}

impl Middleware for Trace {
    async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
        let span = {
            let headers = &mut cx.request_mut().headers;
            // What a stranger names is not even read.
            let (context, parent) = TraceContext::take_over(headers, self.is_trusting);
            cx.set_trace(&context);
            self.span(cx, &context, parent)
        };
        if span.is_disabled() {
            return next.run(cx).await;
        }
        let closing = span.clone();
        cx.at_exit(move |exit| record(&closing, exit));
        next.run(cx).instrument(span).await
    }

    fn role(&self) -> Role {
        Role::Trace
    }
}

fn record(span: &Span, exit: &Exit<'_>) {
    let exchange = exit.exchange();
    let method = method_name(&exchange.request().method);
    // The conventions name a span after a method that they know, or after the protocol.
    let method = if method == OTHER { "HTTP" } else { method };
    match exchange.route() {
        Some(route) => {
            span.record("otel.name", format_args!("{method} {route}"));
            span.record("http.route", route);
        }
        None => {
            span.record("otel.name", method);
        }
    }
    if let Some(status) = exit.status() {
        span.record("http.response.status_code", status.as_u16());
    }
    if let Some(kind) = error_type(exit) {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", &*kind);
    }
}

/// An id of `N` bytes as text.
struct Hex<const N: usize>([[u8; 2]; N]);

impl<const N: usize> Hex<N> {
    fn of(id: [u8; N]) -> Self {
        let mut text = [[0; 2]; N];
        crate::random::hex(&id, text.as_flattened_mut());
        Self(text)
    }

    fn as_str(&self) -> &str {
        str::from_utf8(self.0.as_flattened()).unwrap_or_default()
    }
}
