//! A client that is slow, silent, greedy or malformed gets a clear answer, and holds nothing.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::{get, post};
use demo::server::Limits;
use futures_util::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::support::{Raw, TestServer, bounded, routes};

const SHORT: Duration = Duration::from_millis(200);
const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Times that a test can wait for. What they are compared with is a hundred times as long.
fn short() -> Limits {
    Limits {
        header_timeout: SHORT,
        body_idle_timeout: SHORT,
        write_timeout: SHORT,
        drain_timeout: SHORT,
        ..Limits::default()
    }
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

#[tokio::test]
async fn a_client_that_says_nothing_more_is_hung_up_on() {
    let server = TestServer::start(short(), hello()).await;
    for (case, bytes) in [
        ("nothing at all", ""),
        ("part of a version", "PRI * HT"),
        ("part of a request line", "GET / HT"),
        ("part of the headers", "GET / HTTP/1.1\r\nhost: a\r\nx-slow"),
        (
            "HTTP/2 and no request",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        ),
    ] {
        let mut raw = server.connect().await;
        raw.send(bytes).await;
        let mut end = [0; 1_024];
        let closed = async {
            // HTTP/2 says its settings and its goodbye first.
            while raw.stream.read(&mut end).await.is_ok_and(|read| read > 0) {}
        };
        bounded(case, closed).await;
    }
}

#[tokio::test]
async fn a_client_that_has_its_answer_and_says_nothing_more_is_hung_up_on() {
    let server = TestServer::start(short(), hello()).await;
    let mut raw = server.connect().await;
    for _ in 0..2 {
        raw.send(GET).await;
        assert!(raw.response().await.ends_with("hello"));
    }
    assert_eq!(raw.rest().await, "");
}

#[tokio::test]
async fn headers_that_come_byte_by_byte_are_cut_off() {
    let server = TestServer::start(short(), hello()).await;
    let mut raw = server.connect().await;
    raw.send("GET / HTTP/1.1\r\nhost: a\r\nx-slow: ").await;
    let dribble = async {
        while raw.stream.write_all(b"a").await.is_ok() {
            sleep(SHORT / 20).await;
        }
    };
    bounded("the end of slow headers", dribble).await;
}

#[tokio::test]
async fn a_body_that_stops_arriving_is_answered_with_408() {
    let server = TestServer::start(short(), routes().await).await;
    for (path, media_type) in [
        ("/users", "application/json"),
        ("/users/import", "application/x-ndjson"),
    ] {
        let mut raw = server.connect().await;
        raw.send(format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: {media_type}\r\n\
             content-length: 100\r\n\r\n{{\"email\""
        ))
        .await;
        let response = raw.rest().await;
        assert!(response.starts_with("HTTP/1.1 408 "), "{path}: {response}");
        assert!(response.contains("stopped arriving"), "{path}: {response}");
    }
}

#[tokio::test]
async fn a_body_of_a_gibibyte_is_refused_whether_it_says_its_size_or_not() {
    let server = TestServer::start(Limits::default(), routes().await).await;
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    for (path, media_type) in [
        ("/users", "application/json"),
        ("/users/import", "application/x-ndjson"),
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: {media_type}\r\n");

        let mut raw = server.connect().await;
        raw.send(format!("{head}content-length: 1073741824\r\n\r\n"))
            .await;
        let response = raw.response().await;
        assert!(response.starts_with("HTTP/1.1 413 "), "{path}: {response}");

        let mut raw = server.connect().await;
        raw.send(format!("{head}transfer-encoding: chunked\r\n\r\n"))
            .await;
        let sending = async {
            for _ in 0..(1 << 30) / 0x10000 {
                if raw.stream.write_all(chunk.as_bytes()).await.is_err() {
                    return;
                }
            }
            panic!("{path}: the whole gibibyte was taken");
        };
        bounded("an end to the gibibyte", sending).await;
    }
}

#[tokio::test]
async fn a_client_that_is_still_sending_can_read_why_it_was_refused() {
    let server = TestServer::start(Limits::default(), routes().await).await;
    let mut raw = server.connect().await;
    raw.send(
        "POST /users HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n",
    )
    .await;
    let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
    for _ in 0..8 {
        raw.send(&chunk).await;
    }
    let response = raw.response().await;
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    assert!(response.contains("application/problem+json"), "{response}");
}

#[tokio::test]
async fn an_answer_that_is_not_read_does_not_hold_the_connection() {
    let alive = Arc::new(());
    let witness = Arc::downgrade(&alive);
    let endless = get(async move || {
        Body::from_stream(Endless {
            _alive: Arc::clone(&alive),
        })
    });
    let server = TestServer::start(short(), Router::new().route("/", endless)).await;
    let mut raw = server.connect().await;
    raw.send(GET).await;
    // The handler holds one reference, and each body one more.
    bounded("the body", wait_until(|| witness.strong_count() > 1)).await;
    bounded(
        "the end of the body",
        wait_until(|| witness.strong_count() <= 1),
    )
    .await;
}

struct Endless {
    _alive: Arc<()>,
}

impl Stream for Endless {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(Some(Ok(Bytes::from(vec![0; 0x10000]))))
    }
}

async fn wait_until(condition: impl Fn() -> bool) {
    while !condition() {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn connections_above_the_cap_wait_for_their_turn() {
    let limits = Limits {
        connections_max: 2,
        ..Limits::default()
    };
    let server = TestServer::start(limits, hello()).await;
    let mut held = [server.connect().await, server.connect().await];
    for raw in &mut held {
        raw.send(GET).await;
        raw.response().await;
    }
    let mut third = server.connect().await;
    third.send(GET).await;
    let mut early = [0];
    let waited = tokio::time::timeout(SHORT, third.stream.peek(&mut early)).await;
    assert!(waited.is_err(), "answered beside two others");

    drop(held);
    assert!(third.response().await.ends_with("hello"));
}

#[tokio::test]
async fn a_request_with_two_hosts_or_none_is_answered_with_400() {
    let server = TestServer::start(Limits::default(), hello()).await;
    for hosts in [
        "",
        "host: a\r\nhost: a\r\n",
        "host: a\r\nHost: b\r\n",
        "host: a/b\r\n",
    ] {
        let mut raw = server.connect().await;
        raw.send(format!("GET / HTTP/1.1\r\n{hosts}\r\n")).await;
        let response = raw.response().await;
        assert!(
            response.starts_with("HTTP/1.1 400 "),
            "{hosts:?}: {response}"
        );
        assert!(
            response.contains("application/problem+json"),
            "{hosts:?}: {response}"
        );
        assert!(response.contains("Host header"), "{hosts:?}: {response}");
    }
}

#[tokio::test]
async fn a_request_that_breaks_rfc_9112_is_refused() {
    let server = TestServer::start(Limits::default(), hello()).await;
    let many = "x: y\r\n".repeat(101);
    let large = format!("x: {}\r\n", "y".repeat(70_000));
    let extension = format!(
        "transfer-encoding: chunked\r\n\r\n1;{}\r\na\r\n0\r\n",
        "e".repeat(70_000)
    );
    for (rest, status) in [
        ("content-length: 1\r\ncontent-length: 2\r\n", 400),
        ("content-length: +5\r\n", 400),
        ("content-length: 0x5\r\n", 400),
        ("transfer-encoding: xchunked\r\n", 400),
        ("transfer-encoding: chunked, identity\r\n", 400),
        ("x : y\r\n", 400),
        ("x: y\r\n folded\r\n", 400),
        ("x: a\0b\r\n", 400),
        ("x: a\rb\r\n", 400),
        (many.as_str(), 431),
        (large.as_str(), 431),
    ] {
        let mut raw = server.connect().await;
        raw.send(format!("GET / HTTP/1.1\r\nhost: a\r\n{rest}\r\n"))
            .await;
        let response = raw.rest().await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{rest:.60}: {response}"
        );
    }
    let server = TestServer::start(Limits::default(), routes().await).await;
    for body in [
        extension.as_str(),
        "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    ] {
        let mut raw = server.connect().await;
        raw.send(format!(
            "POST /users HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{body}\r\n"
        ))
        .await;
        let response = raw.rest().await;
        assert!(
            response.starts_with("HTTP/1.1 400 "),
            "{body:.60}: {response}"
        );
    }
}

#[tokio::test]
async fn a_panic_costs_one_answer_and_tells_no_secret() {
    let panics = get(async || -> &'static str { panic!("the password is swordfish") });
    let server = TestServer::start(Limits::default(), hello().route("/panic", panics)).await;
    let mut raw = server.connect().await;
    raw.send("GET /panic HTTP/1.1\r\nhost: a\r\n\r\n").await;
    let response = raw.response().await;
    assert!(response.starts_with("HTTP/1.1 500 "), "{response}");
    assert!(response.contains("application/problem+json"), "{response}");
    assert!(!response.contains("swordfish"), "{response}");

    raw.send(GET).await;
    assert!(
        raw.response().await.ends_with("hello"),
        "the connection lives on"
    );
}

/// A route that waits until it is let go.
fn waiting() -> (Router, Arc<Gate>) {
    let gate = Arc::new(Gate {
        arrived: Semaphore::new(0),
        open: Semaphore::new(0),
    });
    let route = Arc::clone(&gate);
    let wait = post(async move || {
        route.arrived.add_permits(1);
        route.open.acquire().await.expect("never closed").forget();
        "done"
    });
    (Router::new().route("/", wait), gate)
}

struct Gate {
    arrived: Semaphore,
    open: Semaphore,
}

async fn post_and_wait(raw: &mut Raw, gate: &Gate) {
    raw.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        .await;
    bounded("the request", gate.arrived.acquire())
        .await
        .expect("never closed")
        .forget();
}

#[tokio::test]
async fn a_stop_waits_for_requests_and_not_for_silent_clients() {
    let (router, gate) = waiting();
    let server = TestServer::start(Limits::default(), router).await;
    let mut busy = server.connect().await;
    post_and_wait(&mut busy, &gate).await;
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.send("GET / HT").await;
    let mut answered = server.connect().await;
    answered.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    answered.response().await;

    server.stop.cancel();
    for idle in [&mut silent, &mut half, &mut answered] {
        assert_eq!(idle.rest().await, "");
    }
    gate.open.add_permits(1);
    assert!(busy.rest().await.ends_with("done"));
    let addr = server.addr;
    let summary = server.stop().await;
    assert_eq!(
        (summary.requests(), summary.connections, summary.cut),
        (2, 4, 0)
    );
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn a_stop_cuts_off_what_does_not_finish_in_time() {
    let (router, gate) = waiting();
    let server = TestServer::start(short(), router).await;
    let mut stuck = server.connect().await;
    post_and_wait(&mut stuck, &gate).await;
    let summary = server.stop().await;
    assert_eq!((summary.cut, summary.requests()), (1, 0));
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_request_with_it() {
    let (router, gate) = waiting();
    let server = TestServer::start(Limits::default(), router).await;
    let mut gone = server.connect().await;
    post_and_wait(&mut gone, &gate).await;
    drop(gone);
    let summary = server.stop().await;
    assert_eq!((summary.cut, summary.requests()), (0, 0));
}
