//! CORS, authorisation, compression and decompression of tower-http within a chain, and what it makes
//! of five requests: `cargo run --example chain_tower_http --all-features`. Look at the log: a preflight
//! needs no credentials, a refusal is a problem document, and `bytes_out` is what is compressed.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Mutex;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use middleware_chain::{
    AccessLog, Body, BodyLimit, BoxError, BuildError, Chain, ProblemJson, RequestBody, RequestId,
};
use tower::{Layer, Service, ServiceExt};
use tower_http::auth::AsyncRequireAuthorizationLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::CorsLayer;
use tower_http::decompression::RequestDecompressionLayer;

type Asked = Request<RequestBody>;

/// A refusal is bare: `ProblemJson` gives it a document.
fn authorise(request: Asked) -> Ready<Result<Asked, Response<Body>>> {
    if request.headers().contains_key(header::AUTHORIZATION) {
        return ready(Ok(request));
    }
    let mut refusal = Response::new(Body::empty());
    *refusal.status_mut() = StatusCode::UNAUTHORIZED;
    ready(Err(refusal))
}

fn chain() -> Result<Chain, BuildError> {
    let cors = CorsLayer::new()
        .allow_origin(header::HeaderValue::from_static("https://app.example"))
        .allow_methods([Method::GET, Method::POST]);
    Chain::builder()
        .hook(RequestId::new())
        .hook(AccessLog::logfmt(Mutex::new(std::io::stdout())).with_path())
        .with(ProblemJson::new())
        .layer(cors)
        .layer(AsyncRequireAuthorizationLayer::new(authorise))
        .layer(CompressionLayer::new())
        .layer(RequestDecompressionLayer::new())
        .with(BodyLimit::bytes(1024))
        .build()
}

/// Answers with what it was sent, or with a page.
async fn page(request: Asked) -> Result<Response<Full<Bytes>>, BoxError> {
    let sent = request.into_body().collect().await?.to_bytes();
    let page = || Bytes::from("a page that has much to say. ".repeat(100));
    let page = if sent.is_empty() { page() } else { sent };
    Ok(Response::new(Full::new(page)))
}

/// The answer's head, and the length of its body.
async fn ask<S>(service: &S, request: Request<Body>) -> Result<(Response<()>, usize), BoxError>
where
    S: Service<Request<Body>, Response = Response<Answer>, Error = Infallible> + Clone,
{
    let answer = service.clone().oneshot(request).await?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok((Response::from_parts(head, ()), body.len()))
}

type Answer = middleware_chain::ResponseBody<Full<Bytes>>;

/// 8192 zeros.
const PACKED: [u8; 43] = [
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 237, 193, 1, 13, 0, 0, 0, 194, 160, 247, 79, 109, 14, 55, 160,
    0, 0, 0, 0, 0, 0, 0, 128, 119, 3, 148, 153, 244, 216, 0, 32, 0, 0,
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let service = chain()?.layer(tower::service_fn(page));
    let request = || {
        let request = Request::builder().header(header::ORIGIN, "https://app.example");
        request.header(header::ACCEPT_ENCODING, "gzip")
    };

    let preflight = request().method(Method::OPTIONS).uri("/preflight");
    let preflight = preflight.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    let (head, _) = ask(&service, preflight.body(Body::empty())?).await?;
    assert_eq!(head.status(), StatusCode::OK);
    assert!(head.headers().contains_key("access-control-allow-methods"));

    let stranger = request().uri("/stranger").body(Body::empty())?;
    let (head, _) = ask(&service, stranger).await?;
    assert_eq!(head.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        head.headers()[header::CONTENT_TYPE],
        "application/problem+json"
    );
    assert!(head.headers().contains_key("access-control-allow-origin"));

    let known = || request().header(header::AUTHORIZATION, "Bearer 7");
    let (head, length) = ask(&service, known().uri("/page").body(Body::empty())?).await?;
    assert_eq!(head.headers()[header::CONTENT_ENCODING], "gzip");
    assert!(length < 200, "{length}");

    let small = known().method(Method::POST).uri("/small");
    let small = small.body(Body::new(Full::from("back")))?;
    let (head, length) = ask(&service, small).await?;
    assert_eq!((head.status(), length), (StatusCode::OK, 4));

    // What counts is what comes of it.
    let bomb = known().method(Method::POST).uri("/bomb");
    let bomb = bomb.header(header::CONTENT_ENCODING, "gzip");
    let (head, _) = ask(&service, bomb.body(Body::new(Full::from(&PACKED[..])))?).await?;
    assert_eq!(head.status(), StatusCode::PAYLOAD_TOO_LARGE);
    Ok(())
}
