//! A chain before a service of hyper's, over a socket and without a framework: `cargo run --example
//! chain_hyper --all-features`. Look at the line of the log: it is written when the client has the
//! last byte.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Mutex;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use middleware_chain::{AccessLog, CatchPanic, Chain, ProblemJson, RequestBody, RequestId};
use tokio::net::{TcpListener, TcpStream};
use tower::Layer;

async fn echo(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = format!("{} {}", request.method(), request.uri());
    Ok(Response::new(Full::from(text)))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let chain = Chain::builder()
        .hook(RequestId::new())
        .hook(AccessLog::json(Mutex::new(std::io::stdout())))
        .with(ProblemJson::new())
        .with(CatchPanic::new())
        .build()?;
    // hyper's body in, the chain's body to the service: no layer of yours between them.
    let service = TowerToHyperService::new(chain.layer(tower::service_fn(echo)));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let addr = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let builder = Builder::new(TokioExecutor::new());
                let served = builder
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
                served.expect("the client is a good one");
            });
        }
    });

    let io = TokioIo::new(TcpStream::connect(addr).await?);
    let (mut client, connection) = hyper::client::conn::http1::handshake(io).await?;
    tokio::spawn(connection);
    let request = Request::get("/hello").header("host", "localhost");
    let response = client
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?;
    println!("{:?}", response.headers()["x-request-id"]);
    let body = response.into_body().collect().await?.to_bytes();
    assert_eq!(body, "GET /hello");
    Ok(())
}
