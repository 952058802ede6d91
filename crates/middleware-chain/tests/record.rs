//! Whatever becomes of a request, over real sockets: one line, one span and one value, and nothing
//! stays open.

#![cfg(unix)]

#[path = "support/observers.rs"]
mod observers;
mod support;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use middleware_chain::{
    AccessLog, Body, BoxError, CatchPanic, Chain, Concurrency, Error, Exchange, Match, Metrics,
    Next, ProblemJson, RequestBody, Result, RouteTag, Timeout, Trace, When,
};
use observers::{Figures, Spans};
use testkit::wait_for;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::Layer;
use tracing_subscriber::layer::SubscriberExt;

use support::Lines;

/// A bound on hanging, not a measurement.
const BOUND: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

/// What a client does with an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Client {
    Reads,
    /// Reads one frame and is gone.
    ReadsOne,
    /// Is gone when the handler has begun.
    Goes,
    /// Gives up one request, and keeps the connection: in HTTP/2 a reset.
    GivesUp,
}

use Client::{GivesUp, Goes, Reads, ReadsOne};

/// Path, method, what the client does, and how it ends: status and outcome.
type Way = (&'static str, Method, Client, Option<u16>, &'static str);

fn ways() -> Vec<Way> {
    vec![
        ("/full", Method::GET, Reads, Some(200), "complete"),
        ("/stream", Method::GET, Reads, Some(200), "complete"),
        ("/full", Method::HEAD, Reads, Some(200), "complete"),
        ("/204", Method::GET, Reads, Some(204), "complete"),
        ("/304", Method::GET, Reads, Some(304), "complete"),
        ("/declared", Method::GET, Reads, Some(200), "complete"),
        ("/trailers", Method::GET, Reads, Some(200), "complete"),
        ("/refused", Method::GET, Reads, Some(403), "complete"),
        ("/endless", Method::GET, ReadsOne, Some(200), "aborted"),
        ("/hangs", Method::GET, Goes, None, "aborted"),
        ("/hangs", Method::GET, GivesUp, None, "aborted"),
        ("/panics", Method::GET, Reads, Some(500), "panic"),
        ("/panics-later", Method::GET, Reads, Some(200), "panic"),
        ("/late", Method::GET, Reads, Some(503), "timeout"),
        ("/stalls", Method::GET, Reads, Some(200), "timeout"),
        ("/shed", Method::GET, Reads, Some(503), "shed"),
        ("/fails", Method::GET, Reads, Some(500), "error"),
        ("/fails-later", Method::GET, Reads, Some(200), "error"),
    ]
}

#[derive(Clone, Default)]
struct Watched {
    lines: Lines,
    spans: Spans,
    figures: Figures,
    /// Handlers that have begun to hang.
    hanging: Arc<AtomicUsize>,
}

impl Watched {
    fn chain(&self) -> Chain {
        let is = Match::path;
        Chain::builder()
            .hook(RouteTag::new(|_| None))
            .with(Trace::new())
            .hook(Metrics::new())
            .hook(AccessLog::logfmt(self.lines.clone()))
            .with(ProblemJson::new())
            .with(CatchPanic::new())
            .when(is("/shed"), Concurrency::limit(0))
            .when(is("/late"), Timeout::head(SHORT))
            .named(
                "idle",
                When::new(is("/stalls"), Timeout::default().idle(SHORT)),
            )
            .when(is("/refused"), refuse)
            .build()
            .expect("a chain")
    }

    async fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("bound");
        let hanging = Arc::clone(&self.hanging);
        let service = tower::service_fn(move |request| handle(request, Arc::clone(&hanging)));
        let service = TowerToHyperService::new(self.chain().layer(service));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let builder = Builder::new(TokioExecutor::new());
                    let serving =
                        builder.serve_connection_with_upgrades(TokioIo::new(socket), service);
                    let _cut_off = serving.await;
                });
            }
        });
        addr
    }

    /// Waits for the record of one request, and checks that it is the only one.
    async fn expect(&self, what: &str, status: Option<u16>, outcome: &str) {
        let lines = self.lines.clone();
        let text = std::cell::RefCell::new(String::new());
        let is_written = async || {
            text.borrow_mut().push_str(&lines.take());
            !text.borrow().is_empty()
        };
        wait_for(is_written, BOUND).await;
        let has_closed = async || self.spans.open() == 0;
        wait_for(has_closed, BOUND).await;
        let lines = text.into_inner();
        assert_eq!(lines.matches('\n').count(), 1, "{what}: {lines}");
        assert!(
            lines.contains(&format!(" outcome={outcome} ")),
            "{what}: {lines}"
        );
        let in_line = status.map(|status| format!(" status={status} "));
        let has_status = in_line
            .as_ref()
            .map_or(!lines.contains("status="), |it| lines.contains(it));
        assert!(has_status, "{what}: {lines}");

        let text = |fields: &observers::Fields, key: &str| fields.get(key).cloned();
        let status = status.map(|status| status.to_string());
        let error = match (outcome, status.as_deref()) {
            ("complete" | "upgraded", Some("500" | "503" | "507")) => status.clone(),
            ("complete" | "upgraded", _) => None,
            (outcome, _) => Some(outcome.to_owned()),
        };
        let spans = self.spans.take_closed();
        assert_eq!(spans.len(), 1, "{what}: {spans:?}");
        assert_eq!(
            text(&spans[0], "http.response.status_code"),
            status,
            "{what}"
        );
        assert_eq!(text(&spans[0], "error.type"), error, "{what}");
        let values = self.figures.take("http.server.request.duration");
        assert_eq!(values.len(), 1, "{what}: {values:?}");
        assert_eq!(
            text(&values[0], "http.response.status_code"),
            status,
            "{what}"
        );
        assert_eq!(text(&values[0], "error.type"), error, "{what}");
        assert_eq!(
            (self.figures.active(), self.figures.active_max()),
            (0.0, 1.0),
            "{what}"
        );
    }
}

async fn refuse(_cx: &mut Exchange, _next: Next<'_>) -> Result {
    Err(Error::status(StatusCode::FORBIDDEN))
}

async fn handle(
    request: Request<RequestBody>,
    hanging: Arc<AtomicUsize>,
) -> std::result::Result<Response<Body>, BoxError> {
    let is_slow = ["/hangs", "/late"].contains(&request.uri().path());
    if is_slow {
        hanging.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<()>().await;
    }
    let (status, script) = match request.uri().path() {
        "/full" => {
            return Ok(Response::new(Body::new(http_body_util::Full::new(
                Bytes::from("full"),
            ))));
        }
        "/204" => (204, vec![]),
        "/304" => (304, vec![]),
        "/declared" => {
            let response = Response::builder().header("content-length", 4);
            let body = Script::of(&[Step::Data, Step::Data, Step::Data]);
            return Ok(response.body(body)?);
        }
        "/trailers" => (200, vec![Step::Data, Step::Trailers]),
        "/endless" => (200, vec![Step::Data, Step::Endless]),
        "/panics" => panic!("in the handler"),
        "/panics-later" => (200, vec![Step::Data, Step::Panic]),
        "/stalls" => (200, vec![Step::Data, Step::Stall]),
        "/fails" => return Err("in the service".into()),
        "/fails-later" => (200, vec![Step::Data, Step::Fail]),
        "/upgrade" => {
            let response = Response::builder()
                .status(101)
                .header("connection", "upgrade");
            return Ok(response.header("upgrade", "echo").body(Body::empty())?);
        }
        _ => (200, vec![Step::Data, Step::Data]),
    };
    Ok(Response::builder()
        .status(status)
        .body(Script::of(&script))?)
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Data,
    Trailers,
    Endless,
    Stall,
    Panic,
    Fail,
}

struct Script(VecDeque<Step>);

impl Script {
    fn of(steps: &[Step]) -> Body {
        Body::new(Self(steps.iter().copied().collect()))
    }
}

impl HttpBody for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, BoxError>>> {
        let step = self.0.pop_front();
        Poll::Ready(match step {
            None => None,
            Some(Step::Data) => Some(Ok(Frame::data(Bytes::from("four")))),
            Some(Step::Trailers) => Some(Ok(Frame::trailers(HeaderMap::new()))),
            Some(Step::Endless) => {
                self.0.push_front(Step::Endless);
                // One frame a turn: the client gets its turn too.
                cx.waker().wake_by_ref();
                Some(Ok(Frame::data(Bytes::from(vec![b'x'; 65_536]))))
            }
            Some(Step::Stall) => {
                self.0.push_front(Step::Stall);
                return Poll::Pending;
            }
            Some(Step::Panic) => panic!("in the body"),
            Some(Step::Fail) => Some(Err("in the body".into())),
        })
    }
}

enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

async fn connect(addr: SocketAddr, is_http2: bool) -> (Sender, JoinHandle<()>) {
    let io = TokioIo::new(TcpStream::connect(addr).await.expect("listening"));
    if is_http2 {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io)
            .await
            .expect("HTTP/2");
        (
            Sender::Http2(sender),
            tokio::spawn(async { drop(connection.await) }),
        )
    } else {
        let (sender, connection) = http1::handshake(io).await.expect("HTTP/1");
        let connection = connection.with_upgrades();
        (
            Sender::Http1(sender),
            tokio::spawn(async { drop(connection.await) }),
        )
    }
}

impl Sender {
    async fn send(&mut self, request: Request<Empty<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => sender.send_request(request).await,
            Self::Http2(sender) => sender.send_request(request).await,
        }
    }
}

/// Does as the client does.
async fn ask(watched: &Watched, addr: SocketAddr, is_http2: bool, way: &Way) {
    let (path, method, client, status, _) = way;
    let (mut sender, connection) = connect(addr, is_http2).await;
    let uri = if is_http2 {
        format!("http://a{path}")
    } else {
        (*path).to_owned()
    };
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "a");
    let request = request
        .header("te", "trailers")
        .body(Empty::new())
        .expect("well formed");
    match client {
        Goes | GivesUp => {
            let before = watched.hanging.load(Ordering::SeqCst);
            let has_begun = async || watched.hanging.load(Ordering::SeqCst) > before;
            tokio::select! {
                _ = sender.send(request) => panic!("{path}: it hangs"),
                () = wait_for(has_begun, BOUND) => {}
            }
            if *client == GivesUp && is_http2 {
                let after = Request::get("http://a/204")
                    .body(Empty::new())
                    .expect("well formed");
                watched.expect(path, *status, way.4).await;
                assert!(sender.send(after).await.is_ok(), "the connection lives on");
                watched
                    .expect("/204 after a reset", Some(204), "complete")
                    .await;
                return;
            }
        }
        Reads | ReadsOne => {
            let answered = tokio::time::timeout(BOUND, sender.send(request)).await;
            let answered = answered.expect("an answer in time");
            // A body that breaks at once may take the head along that is not flushed yet.
            let is_broken = *path == "/panics-later" || *path == "/fails-later";
            match answered {
                Err(_) if is_broken => {}
                answered => {
                    let response = answered.expect("an answer");
                    assert_eq!(Some(response.status().as_u16()), *status, "{path}");
                    take(response.into_body(), *client).await;
                }
            }
        }
    }
    drop(sender);
    connection.abort();
    let _aborted = connection.await;
    watched.expect(path, *status, way.4).await;
}

async fn take(mut body: Incoming, client: Client) {
    if client == Reads {
        let _cut_off = tokio::time::timeout(BOUND, body.collect()).await;
    } else {
        body.frame().await.expect("a frame").expect("no error");
    }
}

/// Looks at all spans and metrics of this thread, on which all of a test runs.
fn watch(watched: &Watched, test: impl AsyncFnOnce()) {
    let subscriber = tracing_subscriber::registry().with(watched.spans.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    metrics::with_local_recorder(&watched.figures, || {
        tracing::subscriber::with_default(subscriber, || runtime.block_on(test()));
    });
}

fn each_way(is_http2: bool) {
    let watched = Watched::default();
    watch(&watched, async || {
        let addr = watched.serve().await;
        let ways = ways();
        assert_eq!(ways.len(), 18);
        for way in &ways {
            ask(&watched, addr, is_http2, way).await;
        }
    });
}

#[test]
fn each_of_eighteen_ways_out_of_http_1_leaves_exactly_one_record() {
    each_way(false);
}

#[test]
fn each_of_eighteen_ways_out_of_http_2_leaves_exactly_one_record() {
    each_way(true);
}

#[test]
fn an_upgrade_leaves_exactly_one_record() {
    let watched = Watched::default();
    watch(&watched, async || {
        let addr = watched.serve().await;
        let (mut sender, connection) = connect(addr, false).await;
        let request = Request::get("/upgrade")
            .header("host", "a")
            .header("connection", "upgrade");
        let request = request.header("upgrade", "echo").body(Empty::new());
        let response = sender
            .send(request.expect("well formed"))
            .await
            .expect("an answer");
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        watched.expect("/upgrade", Some(101), "upgraded").await;
        connection.abort();
    });
}

#[test]
fn a_log_behind_a_tower_layer_knows_the_trace() {
    let watched = Watched::default();
    watch(&watched, async || {
        let chain = Chain::builder()
            .with(Trace::new())
            .layer(tower::layer::util::Identity::new())
            .hook(AccessLog::logfmt(watched.lines.clone()))
            .build();
        let service = chain.expect("a chain").layer(support::ok("x"));
        let response = tower::ServiceExt::oneshot(service, support::get("/")).await;
        drop(response.expect("never fails"));
        let span = &watched.spans.take_closed()[0];
        let trace = format!(" trace_id={} span_id={}", span["trace_id"], span["span_id"]);
        let line = watched.lines.take();
        assert!(line.contains(&trace), "{line}");
    });
}

#[test]
fn a_server_error_is_told_by_its_status() {
    let watched = Watched::default();
    watch(&watched, async || {
        let answer = (StatusCode::INSUFFICIENT_STORAGE, "text/plain", "full");
        let service = support::service(move |_| std::future::ready(answer));
        let service = watched.chain().layer(service);
        let response = tower::ServiceExt::oneshot(service, support::get("/")).await;
        support::text(response.expect("never fails")).await;
        watched.expect("/", Some(507), "complete").await;
    });
}

#[test]
fn a_span_has_the_names_of_opentelemetry_and_tells_nothing_of_persons() {
    let watched = Watched::default();
    watch(&watched, async || {
        for (method, route, name) in [
            ("GET", Some("/users/{id}"), "GET /users/{id}"),
            ("BREW", Some("/pots"), "HTTP /pots"),
            ("POST", None, "POST"),
        ] {
            let service = tower::service_fn(move |request: Request<RequestBody>| {
                if let Some(route) = route {
                    let slot: Option<&middleware_chain::RouteSlot> = request.extensions().get();
                    slot.expect("left by the tag").set(route);
                }
                async { Ok::<_, BoxError>(Response::new(Body::empty())) }
            });
            let request = Request::builder()
                .method(method)
                .uri("/users/lovelace?token=secret");
            let request = request
                .header("cookie", "secret")
                .body(Body::empty())
                .expect("well formed");
            let response =
                tower::ServiceExt::oneshot(watched.chain().layer(service), request).await;
            drop(response.expect("never fails"));
            let spans = watched.spans.take_closed();
            let text = format!("{spans:?}");
            let span = &spans[0];
            let get = |key: &str| span.get(key).map(String::as_str);
            assert_eq!(get("otel.name"), Some(name), "{text}");
            assert_eq!(get("http.route"), route, "{text}");
            let known = if method == "BREW" { "_OTHER" } else { method };
            assert_eq!(get("http.request.method"), Some(known), "{text}");
            assert_eq!(get("otel.kind"), Some("server"), "{text}");
            assert_eq!(get("network.protocol.version"), Some("1.1"), "{text}");
            assert_eq!(get("trace_id").map(str::len), Some(32), "{text}");
            assert!(
                !text.contains("secret") && !text.contains("lovelace"),
                "{text}"
            );
            let line = watched.lines.take();
            let trace = format!(" trace_id={} span_id={}", span["trace_id"], span["span_id"]);
            assert!(line.contains(&trace), "{line}");
            let values = watched.figures.take("http.server.request.duration");
            assert_eq!(
                values[0].get("http.request.method").map(String::as_str),
                Some(known)
            );
            assert_eq!(values[0].get("http.route").map(String::as_str), route);
        }
    });
}
