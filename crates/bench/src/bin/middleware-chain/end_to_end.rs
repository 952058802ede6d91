//! What twenty members add to a request that comes through hyper, HTTP/1.1 and axum's router.
//!
//! Client and server talk through memory, and both are in the figures: what a row adds to that of the
//! router alone is the server's.

use std::convert::Infallible;
use std::hint::black_box;

use axum::Router;
use axum::extract::Request as AxumRequest;
use axum::middleware::{Next as AxumNext, from_fn};
use axum::response::Response as AxumResponse;
use axum::routing::get;
use bench::{Operation, Row, on_tokio};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tower::{Layer, Service};

use crate::compose::{MEMBERS, TouchLayer, chain_of};

/// Requests that are sent at once: what a task's wake costs is shared by them.
const PIPELINED: u64 = 32;
const BUFFER: usize = 64 * 1024;
const REQUEST: &[u8] =
    b"GET /users/7?page=2 HTTP/1.1\r\nhost: example.com\r\nuser-agent: bench/1.0\r\n\r\n";
/// The last bytes of each answer, and of nothing else in it.
const ANSWER: &str = "hello from the handler";

pub(crate) fn row() -> Row {
    Row::new("20 members through hyper and axum")
        .sizes([PIPELINED])
        .ours("a chain before the router", |_| {
            served(chain_of(MEMBERS).layer(router()))
        })
        .peer("Router::layer each", |_| {
            served((0..MEMBERS).fold(router(), |router, _| router.layer(TouchLayer)))
        })
        .peer("Router::layer(from_fn) each", |_| {
            served((0..MEMBERS).fold(router(), |router, _| router.layer(from_fn(touch))))
        })
        .peer("the router alone", |_| served(router()))
}

fn router() -> Router {
    Router::new().route("/users/{id}", get(async || ANSWER))
}

async fn touch(request: AxumRequest, next: AxumNext) -> AxumResponse {
    black_box(&request);
    let response = next.run(request).await;
    black_box(&response);
    response
}

fn served<S, R>(service: S) -> impl Operation
where
    S: Service<Request<Incoming>, Response = Response<R>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    R: Body<Data = Bytes> + Send + 'static,
    R::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    on_tokio(async move || {
        let (mut client, server) = duplex(BUFFER);
        let connection = http1::Builder::new()
            .pipeline_flush(true)
            .serve_connection(TokioIo::new(server), TowerToHyperService::new(service));
        tokio::spawn(async { connection.await.expect("it is served") });
        let requests = REQUEST.repeat(usize::try_from(PIPELINED).expect("it is small"));
        let mut buffer = vec![0; BUFFER];
        // All answers are alike, and so are their lengths, but for the date's, which is fixed.
        client.write_all(REQUEST).await.expect("it is read");
        let length = answer_length(&mut client, &mut buffer).await;
        async move || {
            client.write_all(&requests).await.expect("it is read");
            let answers = &mut buffer[..length * usize::try_from(PIPELINED).expect("it is small")];
            client.read_exact(answers).await.expect("it is answered");
            assert!(answers.ends_with(ANSWER.as_bytes()), "the answers differ");
        }
    })
}

async fn answer_length(client: &mut (impl AsyncReadExt + Unpin), buffer: &mut [u8]) -> usize {
    let mut length = 0;
    while !buffer[..length].ends_with(ANSWER.as_bytes()) {
        length += client.read(&mut buffer[length..]).await.expect("an answer");
    }
    length
}
