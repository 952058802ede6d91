//! The demo's server, which a hostile client cannot hold, against `axum::serve`, which it can: the
//! same handler, and what the bounds cost and prevent.
//!
//! Server and client share the process, so allocations and processor time are those of both. The
//! client allocates nothing and is the same for all.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream as StdStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use bench::{Bench, Fact, Operation, Row, batch, on_tokio};
use demo::server::{Limits, Server};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{self, Runtime};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const REQUEST: &[u8] = b"GET /user HTTP/1.1\r\nhost: localhost\r\n\r\n";
const ANSWER_END: &[u8] = br#"{"id":7,"name":"Ann","email":"ann@example.org"}"#;

/// Connections of clients that want to hold the server.
const HOSTILE: usize = 200;
const HEADER_TIMEOUT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(3);

fn main() -> ExitCode {
    Bench::new("demo")
        .row(
            Row::new("GET a small JSON over so many kept connections")
                .sizes([1, 8, 64])
                .ours("demo", |connections| kept(start(Kind::Demo), connections))
                .peer("axum::serve", |connections| {
                    kept(start(Kind::Axum), connections)
                }),
        )
        .row(
            Row::new("GET a small JSON over a connection of its own")
                .ours("demo", |_size| fresh(start(Kind::Demo)))
                .peer("axum::serve", |_size| fresh(start(Kind::Axum))),
        )
        .fact(held("that never sent a byte", b""))
        .fact(held(
            "that stopped within a header",
            b"GET /user HTTP/1.1\r\nhost: loc",
        ))
        .run()
}

#[derive(Serialize)]
struct User {
    id: u32,
    name: &'static str,
    email: &'static str,
}

const ANN: User = User {
    id: 7,
    name: "Ann",
    email: "ann@example.org",
};

#[derive(Debug, Clone, Copy)]
enum Kind {
    Demo,
    Axum,
}

/// A server on threads of its own, which ends with this value.
struct Running {
    addr: SocketAddr,
    _runtime: Runtime,
}

fn start(kind: Kind) -> Running {
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("threads are to be had");
    let listener = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("a port is free");
    let addr = listener.local_addr().expect("it is bound");
    runtime.spawn(serve(kind, listener));
    Running {
        addr,
        _runtime: runtime,
    }
}

async fn serve(kind: Kind, listener: TcpListener) {
    let router = Router::new().route("/user", get(async || Json(ANN)));
    match kind {
        Kind::Demo => {
            let limits = Limits {
                header_timeout: HEADER_TIMEOUT,
                ..Limits::default()
            };
            let never = CancellationToken::new();
            Server::new(limits).serve(listener, router, never).await;
        }
        Kind::Axum => axum::serve(listener, router).await.expect("it never ends"),
    }
}

fn client_runtime() -> Runtime {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs one descriptor or two")
}

/// One request on each connection is one operation.
fn kept(server: Running, connections: u64) -> impl Operation {
    let runtime = client_runtime();
    let connect = || runtime.block_on(connect(server.addr));
    let mut clients: Vec<_> = (0..connections).map(|_| connect()).collect();
    batch(move |count| {
        // The whole of it: it ends with this closure.
        let _server = &server;
        runtime.block_on(async {
            let mut busy = JoinSet::new();
            for mut client in clients.drain(..) {
                busy.spawn(async move {
                    for _ in 0..count {
                        request(&mut client).await;
                    }
                    client
                });
            }
            clients = busy.join_all().await;
        });
    })
}

/// To connect, ask and hang up is one operation.
fn fresh(server: Running) -> impl Operation {
    on_tokio(async move || {
        async move || {
            // The whole of it: it ends with this closure.
            let server = &server;
            let mut client = connect(server.addr).await;
            request(&mut client).await;
            // Hung up by a reset: a port that waits for late packets is lost for a minute.
            client.set_zero_linger().expect("it is open");
        }
    })
}

async fn connect(server: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(server)
        .await
        .expect("the server accepts");
    client.set_nodelay(true).expect("it is open");
    client
}

async fn request(client: &mut TcpStream) {
    client.write_all(REQUEST).await.expect("the server reads");
    let (mut answer, mut length) = ([0; 1_024], 0);
    while !answer[..length].ends_with(ANSWER_END) {
        let read = client.read(&mut answer[length..]).await;
        let count = read.expect("the server answers");
        assert!(
            count > 0,
            "closed after {:?}",
            answer[..length].escape_ascii()
        );
        length += count;
    }
}

fn held(what: &str, sent: &'static [u8]) -> Fact {
    let name = format!("Of {HOSTILE} connections {what}, held after {PATIENCE:?}");
    Fact::new(name)
        .of(format!("demo, header timeout {HEADER_TIMEOUT:?}"), || {
            count_held(&start(Kind::Demo), sent)
        })
        .of("axum::serve, which has none", || {
            count_held(&start(Kind::Axum), sent)
        })
}

fn count_held(server: &Running, sent: &[u8]) -> f64 {
    let connect = |_| {
        let mut client = StdStream::connect(server.addr).expect("the server accepts");
        client.write_all(sent).expect("it is open");
        client
    };
    let clients: Vec<_> = (0..HOSTILE).map(connect).collect();
    thread::sleep(PATIENCE);
    let held = clients.into_iter().filter(is_open).count();
    f64::from(u32::try_from(held).expect("at most HOSTILE"))
}

/// Whether there is no end of file and no reset to be read, after an answer if there is one.
fn is_open(mut client: &StdStream) -> bool {
    client.set_nonblocking(true).expect("it was opened");
    let mut answer = [0; 1_024];
    loop {
        match client.read(&mut answer) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
