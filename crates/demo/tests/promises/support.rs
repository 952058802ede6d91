//! A server to talk to, and raw bytes to talk with.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use demo::api::{chain, router};
use demo::server::{Limits, Server, Summary};
use demo::store::{CachedStore, SqliteStore};
use demo::{LastError, Pools};
use http_body_util::BodyExt;
use redis_ratelimit::{Limiter, RateLimitLayer};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::{Layer, ServiceExt};

/// No test waits longer than this for anything. It is a bound on hanging, not a measurement.
pub(crate) const BOUND: Duration = Duration::from_mins(1);

/// Waits for a future no longer than [`BOUND`].
pub(crate) async fn bounded<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = timeout(BOUND, future).await else {
        panic!("{what}: nothing within {BOUND:?}");
    };
    output
}

/// Valid users as lines of JSON.
pub(crate) fn ndjson(users: usize) -> String {
    (0..users).fold(String::new(), |mut lines, number| {
        writeln!(
            lines,
            "{{\"email\":\"u{number}@example.com\",\"name\":\"U\"}}"
        )
        .expect("a string takes all that is written");
        lines
    })
}

/// The pools of a service.
pub(crate) fn pools() -> Pools {
    // They count for its recorder.
    let _recorder = demo::telemetry::metrics();
    Pools::start().expect("the system has threads")
}

/// The routes, on an empty store in memory.
pub(crate) async fn routes() -> Router {
    // Before all who have figures for it.
    let metrics = demo::telemetry::metrics();
    let store = SqliteStore::in_memory().await.expect("memory");
    router(
        Arc::new(CachedStore::new(Arc::new(store))),
        pools(),
        RateLimitLayer::new(Limiter::memory()),
        metrics,
    )
}

/// What stands before the routes.
pub(crate) fn server(limits: Limits) -> Server {
    let server = Server::new(limits);
    let log = demo::telemetry::access_log(demo::LogFormat::Json);
    let chain = chain(server.chain(), log, &LastError::default()).expect("its own names");
    server.behind(chain)
}

/// Sends a request to the routes behind their chain, without a connection.
pub(crate) async fn send(routes: &Router, mut request: Request<Body>) -> Response {
    let host = "demo.example".parse().expect("a header value");
    request.headers_mut().insert("host", host);
    let service = server(Limits::default()).chain().layer(routes.clone());
    let response = service.oneshot(request).await.expect("infallible");
    response.map(Body::new)
}

/// Reads a JSON body, and checks that an error is a problem document of its status.
pub(crate) async fn json(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let media_type = response.headers()["content-type"].clone();
    let body = response
        .into_body()
        .collect()
        .await
        .expect("whole")
        .to_bytes();
    let json: Value = serde_json::from_slice(&body).expect("JSON");
    if status.is_client_error() || status.is_server_error() {
        assert_eq!(media_type, "application/problem+json", "{json}");
        assert_eq!(json["status"], status.as_u16(), "{json}");
        assert!(
            json["title"].is_string() && json["type"].is_string(),
            "{json}"
        );
    }
    (status, json)
}

/// A hardened server on a free port.
pub(crate) struct TestServer {
    pub(crate) addr: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) serving: JoinHandle<Summary>,
}

impl TestServer {
    pub(crate) async fn start(limits: Limits, router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("bound");
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server(limits).serve(listener, router, stop.clone()));
        Self {
            addr,
            stop,
            serving,
        }
    }

    pub(crate) async fn connect(&self) -> Raw {
        let stream = TcpStream::connect(self.addr).await.expect("listening");
        Raw { stream }
    }

    pub(crate) async fn stop(self) -> Summary {
        self.stop.cancel();
        bounded("the drain", self.serving).await.expect("no panic")
    }
}

/// A connection that sends what no well-behaved client would.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
}

impl Raw {
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("open");
    }

    /// Reads one response.
    pub(crate) async fn response(&mut self) -> String {
        self.try_response().await.expect("a whole response")
    }

    /// Sends a request and reads its response, or `None` if the connection breaks.
    pub(crate) async fn exchange(&mut self, request: &str) -> Option<String> {
        self.stream.write_all(request.as_bytes()).await.ok()?;
        self.try_response().await.ok()
    }

    /// Reads until the length that the headers state.
    async fn try_response(&mut self) -> io::Result<String> {
        let mut text = String::new();
        loop {
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.trim().parse())
                });
                if body.len() >= length.map_or(0, |length| length.expect("a number")) {
                    return Ok(text);
                }
            }
            let mut piece = [0; 4_096];
            let read = bounded("a response", self.stream.read(&mut piece)).await;
            match read? {
                0 => return Err(io::Error::other(format!("closed after {text:?}"))),
                read => text.push_str(str::from_utf8(&piece[..read]).expect("UTF-8")),
            }
        }
    }

    /// Reads until the server closes the connection, and returns what it sent before.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let read = bounded(
            "the end of the connection",
            self.stream.read_to_end(&mut rest),
        )
        .await;
        read.expect("no reset");
        String::from_utf8(rest).expect("UTF-8")
    }
}

/// A directory of its own for each test, which goes when the test is done.
pub(crate) struct TempDir {
    path: PathBuf,
}

impl TempDir {
    pub(crate) fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::SeqCst);
        let name = format!("demo-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a new directory");
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn sqlite_url(&self) -> String {
        format!("sqlite://{}/users.sqlite3", self.path.display())
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        // What is left over lies in the system's folder for such things.
        let _left_over = std::fs::remove_dir_all(&self.path);
    }
}
