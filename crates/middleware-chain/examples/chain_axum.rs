//! A chain before an axum router, and what it makes of four requests: `cargo run --example
//! chain_axum --all-features`. Look at the onion, at the outcomes in the log, and at the route in
//! place of the path.

use std::error::Error;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::routing::get;
use http::{Request, StatusCode};
use middleware_chain::{
    AccessLog, CatchPanic, Chain, Exchange, HostCheck, Match, Next, ProblemJson, RequestId,
    RouteTag, Timeout,
};
use tower::ServiceExt;

async fn auth(cx: &mut Exchange, next: Next<'_>) -> middleware_chain::Result {
    if !cx.request().headers.contains_key("authorization") {
        let error = middleware_chain::Error::status(StatusCode::UNAUTHORIZED);
        return Err(error.detail("Say who you are."));
    }
    next.run(cx).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let route = RouteTag::new(|extensions| Some(extensions.get::<MatchedPath>()?.as_str()));
    let chain = Chain::builder()
        .hook(RequestId::new())
        .hook(route)
        .hook(AccessLog::logfmt(Mutex::new(std::io::stdout())))
        .with(ProblemJson::new())
        .with(CatchPanic::new())
        .hook(HostCheck::any())
        .with(Timeout::head(Duration::from_millis(50)))
        .when(Match::path("/admin/**"), auth)
        .build()?;
    println!("{chain}\n");
    for warning in chain.check() {
        println!("{warning}");
    }
    let app = Router::new()
        .route("/users/{id}", get(async || "Ada"))
        .route("/slow", get(std::future::pending::<()>))
        .route("/admin/users", get(async || "all of them"))
        .route_layer(route)
        .layer(chain);
    for (path, expected) in [
        ("/users/7", 200),
        ("/nowhere", 404),
        ("/slow", 503),
        ("/admin/users", 401),
    ] {
        let request = Request::get(path)
            .header("host", "localhost")
            .body(Body::empty())?;
        let response = app.clone().oneshot(request).await?;
        let status = response.status();
        let body = axum::body::to_bytes(response.into_body(), 1024).await?;
        println!("{path}: {status} {}\n", String::from_utf8_lossy(&body));
        assert_eq!(status.as_u16(), expected);
    }
    Ok(())
}
