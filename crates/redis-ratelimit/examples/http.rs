//! An HTTP service with two limits, one per client address and one per user.
//!
//! Run `cargo run -p redis-ratelimit --features tower --example http`. What to look for: the third
//! request of a user is refused with the headers and the document that a client can act on, and
//! it took nothing from the limit of its address.

use std::net::IpAddr;

use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use redis_ratelimit::{Limiter, Policy, Quota, RateLimitLayer, TrustedProxies};
use tower::{ServiceBuilder, ServiceExt};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let per_address = Policy::gcra("address", Quota::per_minute(100))?;
    let per_user = Policy::sliding_window("user", Quota::per_minute(2))?;
    let proxies = TrustedProxies::x_forwarded_for(["10.0.0.0/8"])?;
    let layer = RateLimitLayer::new(Limiter::memory())
        .limit(per_address, move |request| {
            let peer = request.extensions.get::<IpAddr>()?;
            Some(proxies.client_key(*peer, &request.headers))
        })
        .limit(per_user, |request| {
            let user = request.headers.get("x-user")?;
            Some(user.as_bytes().to_vec())
        });
    let service = ServiceBuilder::new()
        .layer(layer)
        .service_fn(async |_request: Request<()>| {
            Ok::<_, std::io::Error>(Response::new(Full::<bytes::Bytes>::from("hello\n")))
        });

    for _ in 0..3 {
        let request = Request::builder()
            .header("x-forwarded-for", "192.0.2.7")
            .header("x-user", "42")
            .extension(IpAddr::from([10, 0, 0, 1]))
            .body(())?;
        let (answer, body) = service.clone().oneshot(request).await?.into_parts();
        println!("{}", answer.status);
        for (name, value) in &answer.headers {
            println!("{name}: {}", value.to_str()?);
        }
        let body = body.collect().await?.to_bytes();
        println!("\n{}\n", String::from_utf8_lossy(&body));
    }
    Ok(())
}
