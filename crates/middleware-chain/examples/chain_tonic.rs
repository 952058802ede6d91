//! A chain before the routes of tonic, over HTTP/2: `cargo run --example chain_tonic --all-features`.
//! Look at the log: a call of gRPC that finds nothing is a 200 all the same.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::sync::Mutex;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use middleware_chain::{AccessLog, CatchPanic, Chain, RequestId};
use tokio::net::{TcpListener, TcpStream};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::{Layer, Service};

/// Where the server that tonic generates for a `.proto` file would stand.
#[derive(Clone)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "greeter.Greeter";
}

impl Service<Request<Body>> for Greeter {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Status::not_found("nobody is here").into_http()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let chain = Chain::builder()
        .hook(RequestId::new())
        .hook(AccessLog::logfmt(Mutex::new(std::io::stdout())))
        .with(CatchPanic::new())
        .build()?;
    // `tonic::transport::Server::builder().layer(chain)` takes it as well.
    let service = TowerToHyperService::new(chain.layer(Routes::new(Greeter)));

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
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
    tokio::spawn(connection);
    let call = Request::post(format!("http://{addr}/greeter.Greeter/Hello"));
    let call = call
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let response = client
        .send_request(call.body(Empty::<Bytes>::new())?)
        .await?;
    let status = Status::from_header_map(response.headers()).expect("a status");
    println!("{status}");
    assert_eq!(status.code(), Code::NotFound);
    response.into_body().collect().await?;
    Ok(())
}
