//! HTTP/2, spoken by hand: what a client library would not do.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use demo::server::Limits;
use tokio::io::AsyncReadExt;

use crate::support::{Raw, TestServer, bounded};

const SHORT: Duration = Duration::from_millis(200);

/// Types of frames: RFC 9113, section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;

/// A flag of settings and pings.
const ACK: u8 = 1;

/// Settings: RFC 9113, section 6.5.2.
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;
const MAX_HEADER_LIST_SIZE: u16 = 6;

/// `GET /` of `http://a`, as RFC 7541 writes it: three entries of its static table and a literal.
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x41, 0x01, b'a'];

struct Frame {
    kind: u8,
    flags: u8,
    payload: Vec<u8>,
}

/// Opens a connection on which each answer has room for `window` bytes.
async fn open(server: &TestServer, window: u32) -> Raw {
    let mut raw = server.connect().await;
    raw.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let mut setting = INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
    setting.extend(window.to_be_bytes());
    send(&mut raw, SETTINGS, 0, 0, &setting).await;
    raw
}

async fn send(raw: &mut Raw, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    raw.send(frame).await;
}

/// Asks on a stream, with the flags for the end of the headers and of the request.
async fn ask(raw: &mut Raw, stream: u32) {
    send(raw, HEADERS, 0x5, stream, GET).await;
}

/// The next frame, or `None` once the server has hung up.
async fn next(raw: &mut Raw) -> Option<Frame> {
    let mut head = [0; 9];
    let read = bounded("a frame", raw.stream.read_exact(&mut head)).await;
    read.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    let read = bounded("its payload", raw.stream.read_exact(&mut payload)).await;
    read.ok()?;
    Some(Frame {
        kind: head[3],
        flags: head[4],
        payload,
    })
}

async fn next_of(raw: &mut Raw, kind: u8) -> Frame {
    loop {
        let frame = next(raw).await.expect("still open");
        if frame.kind == kind {
            return frame;
        }
    }
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

#[tokio::test]
async fn a_request_in_http_2_is_answered_like_any_other() {
    let server = TestServer::start(Limits::default(), hello()).await;
    let mut raw = open(&server, 1_000).await;
    ask(&mut raw, 1).await;
    // The first header is the status, 200 by its index.
    assert_eq!(next_of(&mut raw, HEADERS).await.payload[0], 0x88);
    assert_eq!(next_of(&mut raw, DATA).await.payload, b"hello");
}

#[tokio::test]
async fn a_client_that_gives_an_answer_no_room_is_hung_up_on_however_lively_it_is() {
    let limits = Limits {
        header_timeout: SHORT,
        write_timeout: SHORT * 5,
        ..Limits::default()
    };
    let server = TestServer::start(limits, hello()).await;
    let mut raw = open(&server, 0).await;
    ask(&mut raw, 1).await;
    assert_eq!(next_of(&mut raw, HEADERS).await.payload[0], 0x88);
    // It answers each ping of the server's, so keep-alive finds nothing wrong with it.
    let talking = async {
        while let Some(frame) = next(&mut raw).await {
            assert_ne!(frame.kind, DATA, "an answer without room for it");
            if frame.kind == PING {
                send(&mut raw, PING, ACK, 0, &frame.payload).await;
            }
        }
    };
    bounded("the end of the connection", talking).await;
}

#[tokio::test]
async fn what_one_connection_may_hold_is_told_at_its_start() {
    let server = TestServer::start(Limits::default(), hello()).await;
    let mut raw = open(&server, 1_000).await;
    let settings = next_of(&mut raw, SETTINGS).await;
    assert_eq!(settings.flags, 0, "not the acknowledgement");
    let value = |wanted: u16| {
        settings.payload.chunks(6).find_map(|setting| {
            let (id, value) = setting.split_at(2);
            let value = u32::from_be_bytes(value.try_into().ok()?);
            (id == wanted.to_be_bytes()).then_some(value)
        })
    };
    assert_eq!(value(MAX_CONCURRENT_STREAMS), Some(20));
    assert_eq!(value(MAX_HEADER_LIST_SIZE), Some(64 * 1_024));
}
