//! Clients that send slowly, not all or nonsense. The clock stands still until each side waits for the
//! other: nobody is late because the machine is busy.

#![cfg(unix)]

mod support;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use middleware_chain::{AccessLog, BodyLimit, Chain, ProblemJson, Timeout};
use testkit::wait_for;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tower::Layer;

use support::{Lines, reads_and_tells};

/// A bound on hanging, not a measurement.
const BOUND: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(100);

/// Each socket is a connection of its own, and all have one chain.
fn server(lines: &Lines) -> impl Fn(DuplexStream) {
    let chain = Chain::builder()
        .hook(AccessLog::logfmt(lines.clone()))
        .with(ProblemJson::new())
        .with(Timeout::head(BOUND).request_idle(SHORT))
        .with(BodyLimit::bytes(8))
        .build()
        .expect("a chain");
    let service = TowerToHyperService::new(chain.layer(reads_and_tells()));
    move |socket| {
        let builder = Builder::new(TokioExecutor::new());
        let service = service.clone();
        tokio::spawn(async move {
            let _cut_off = builder
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

/// A socket to a server.
fn connect(serve: &impl Fn(DuplexStream)) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    serve(theirs);
    ours
}

/// The one line that is written in the end.
async fn line(lines: &Lines) -> String {
    let text = std::cell::RefCell::new(String::new());
    let is_written = async || {
        text.borrow_mut().push_str(&lines.take());
        !text.borrow().is_empty()
    };
    wait_for(is_written, BOUND).await;
    let text = text.into_inner();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    text
}

/// Sends these bytes, and reads the first line of what comes back.
async fn ask(mut socket: DuplexStream, bytes: &str) -> String {
    socket.write_all(bytes.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.contains(&b'\n') && socket.read_buf(&mut answer).await.expect("open") > 0 {}
    let answer = String::from_utf8(answer).expect("text");
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn each_client_of_http_1_that_misbehaves_gets_its_status_and_one_line() {
    let lines = Lines::default();
    let serve = server(&lines);
    for (what, bytes, status, bytes_in) in [
        ("stops", "content-length: 4\r\n\r\nab", 408, Some(2)),
        ("sends nothing", "content-length: 4\r\n\r\n", 408, Some(0)),
        (
            "stops between chunks",
            "transfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
            408,
            Some(2),
        ),
        ("is wordy", "content-length: 9\r\n\r\n", 413, Some(0)),
        (
            "is wordy in chunks",
            "transfer-encoding: chunked\r\n\r\n9\r\nabcdefghi\r\n0\r\n\r\n",
            413,
            Some(9),
        ),
        (
            "breaks a chunk",
            "transfer-encoding: chunked\r\n\r\nno length\r\n",
            400,
            Some(0),
        ),
        (
            "has two lengths",
            "content-length: 1\r\ncontent-length: 2\r\n\r\n",
            400,
            None,
        ),
        ("sends a line break", "x: a\r\rb\r\n\r\n", 400, None),
    ] {
        let bytes = format!("POST / HTTP/1.1\r\nhost: a\r\n{bytes}");
        let answer = tokio::time::timeout(BOUND, ask(connect(&serve), &bytes)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{what}: no answer"));
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{what}: {answer}"
        );
        // What hyper refuses never gets to a chain.
        if let Some(bytes_in) = bytes_in {
            let line = line(&lines).await;
            let expected = format!(" status={status} outcome=complete bytes_in={bytes_in} ");
            assert!(line.contains(&expected), "{what}: {line}");
        }
    }
    assert_eq!(lines.take(), "", "and no line more");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_in_the_middle_of_its_body_leaves_one_line() {
    let lines = Lines::default();
    let serve = server(&lines);
    let mut socket = connect(&serve);
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab";
    socket.write_all(head).await.expect("sent");
    drop(socket);
    let line = line(&lines).await;
    // It might read on, as far as one can see: the server takes what the service says to it.
    let expected = " status=400 outcome=complete bytes_in=2 ";
    assert!(line.contains(expected), "{line}");
}

/// One frame, and nothing for ever.
struct Stops(Option<Bytes>);

impl HttpBody for Stops {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Poll::Pending,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_http_2_that_stops_is_told_so_and_the_others_go_on() {
    let lines = Lines::default();
    let serve = server(&lines);
    let socket = TokioIo::new(connect(&serve));
    let handshake = http2::handshake(TokioExecutor::new(), socket).await;
    let (mut sender, connection) = handshake.expect("HTTP/2");
    tokio::spawn(async { drop(connection.await) });
    for (bytes, status) in [("ab", 408), ("abcdefghi", 413), ("cd", 408)] {
        let request = Request::post("http://a/").body(Stops(Some(Bytes::from(bytes))));
        let request = request.expect("well formed");
        let answer = tokio::time::timeout(BOUND, sender.send_request(request)).await;
        let answer = answer.expect("an answer in time").expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{bytes}");
        drop(answer);
        let line = line(&lines).await;
        let expected = format!(" status={status} ");
        assert!(line.contains(&expected), "{bytes}: {line}");
        let expected = format!(" bytes_in={} ", bytes.len());
        assert!(line.contains(&expected), "{bytes}: {line}");
    }
}
