//! What the layer passes on, and how it answers otherwise.

use std::convert::Infallible;
use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use redis_ratelimit::{Headers, Limiter, Policy, Quota, RateLimitLayer};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock;

type Body = http_body_util::Full<bytes::Bytes>;

fn user(request: &http::request::Parts) -> Option<String> {
    let user = request.headers.get("x-user")?.to_str().ok()?;
    Some(user.to_owned())
}

fn layer(policies: &[Policy]) -> RateLimitLayer {
    let layer = RateLimitLayer::new(Limiter::memory());
    let add = |layer: RateLimitLayer, policy: &Policy| layer.limit(policy.clone(), user);
    policies.iter().fold(layer, add)
}

fn request(headers: &[(&'static str, &str)]) -> Request<()> {
    let mut request = Request::new(());
    for (name, value) in headers {
        let value = value.parse().expect("a header's value");
        request.headers_mut().insert(*name, value);
    }
    request
}

fn gcra(units: u32, burst: u32) -> Policy {
    Policy::gcra("user", Quota::per_minute(units).burst(burst)).expect("a quota")
}

async fn hello(_request: Request<()>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::from("hello")))
}

#[tokio::test]
async fn a_request_that_is_denied_never_reaches_the_service() {
    let (mut service, mut handle) =
        mock::spawn_layer::<Request<()>, Response<Body>, _>(layer(&[gcra(60, 1)]));
    let as_user = || request(&[("x-user", "1")]);
    handle.allow(2);
    assert_ready_ok!(service.poll_ready());
    let mut admitted = task::spawn(service.call(as_user()));
    assert_pending!(admitted.poll());
    let (_, answer) = handle.next_request().await.expect("passed on");
    answer.send_response(Response::new(Body::from("hello")));
    assert_eq!(assert_ready_ok!(admitted.poll()).status(), StatusCode::OK);

    assert_ready_ok!(service.poll_ready());
    let mut denied = task::spawn(service.call(as_user()));
    let answer = assert_ready_ok!(denied.poll());
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(
        assert_pending_or_closed(&mut handle),
        "nothing was passed on"
    );
}

/// Whether no request has arrived.
fn assert_pending_or_closed(handle: &mut mock::Handle<Request<()>, Response<Body>>) -> bool {
    handle.poll_request().is_pending()
}

#[tokio::test]
async fn readiness_is_that_of_the_service_and_takes_nothing() {
    let layer = layer(&[gcra(60, 1)]);
    let (mut service, mut handle) =
        mock::spawn_layer::<Request<()>, Response<Body>, _>(layer.clone());
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    assert_ready_ok!(service.poll_ready());
    handle.send_error("broken");
    assert_eq!(
        assert_ready_err!(service.poll_ready()).to_string(),
        "broken"
    );

    // Another service of the same layer finds the limit unused.
    let first = layer
        .layer(service_fn(hello))
        .oneshot(request(&[("x-user", "1")]));
    assert_eq!(first.await.expect("infallible").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_future_that_is_dropped_before_it_is_polled_takes_nothing() {
    let mut service = layer(&[gcra(60, 1)]).layer(service_fn(hello));
    for _ in 0..5 {
        drop(
            service
                .ready()
                .await
                .expect("infallible")
                .call(request(&[("x-user", "1")])),
        );
    }
    let answer = service
        .oneshot(request(&[("x-user", "1")]))
        .await
        .expect("infallible");
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_denial_gives_back_what_the_readiness_of_the_service_had_reserved() {
    let layered = ServiceBuilder::new()
        .layer(layer(&[gcra(60, 1)]))
        .layer(ConcurrencyLimitLayer::new(1))
        .service_fn(hello);
    for expected in [
        StatusCode::OK,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::TOO_MANY_REQUESTS,
    ] {
        let mut call = task::spawn(layered.clone().oneshot(request(&[("x-user", "1")])));
        let answer = assert_ready!(call.poll(), "the only slot is free").expect("infallible");
        assert_eq!(answer.status(), expected);
    }
}

#[tokio::test]
async fn clones_and_services_of_one_layer_share_its_limits() {
    let layer = layer(&[gcra(60, 2)]);
    let first = layer.layer(service_fn(hello));
    let services = [first.clone(), first, layer.clone().layer(service_fn(hello))];
    let mut statuses = Vec::new();
    for service in services {
        let answer = service
            .oneshot(request(&[("x-user", "1")]))
            .await
            .expect("infallible");
        statuses.push(answer.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn a_request_without_a_key_is_not_limited() {
    let service = layer(&[gcra(60, 1)]).layer(service_fn(hello));
    for _ in 0..3 {
        let answer = service
            .clone()
            .oneshot(request(&[]))
            .await
            .expect("infallible");
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(!answer.headers().contains_key("ratelimit-policy"));
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("infallible")
            .to_bytes();
        assert_eq!(body, "hello");
    }
}

/// What a client sees at its `nth` request.
async fn answer(
    layer: &RateLimitLayer,
    nth: usize,
    headers: &[(&'static str, &str)],
) -> (StatusCode, HeaderMap, String) {
    let service = layer.layer(service_fn(hello));
    for _ in 1..nth {
        service
            .clone()
            .oneshot(request(headers))
            .await
            .expect("infallible");
    }
    let answer = service.oneshot(request(headers)).await.expect("infallible");
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.expect("infallible").to_bytes();
    let body = String::from_utf8(body.to_vec()).expect("text");
    (parts.status, parts.headers, body)
}

#[tokio::test]
async fn the_headers_are_those_of_the_draft() {
    let quota = |name: &str, quota| Policy::gcra(name, quota).expect("a quota");
    let fixed = Policy::fixed_window("daily", Quota::per_day(1_000)).expect("a quota");
    let sliding = Policy::sliding_window("odd", Quota::per(3, Duration::from_millis(1_500)))
        .expect("a quota");
    for (policy, nth, policies, limits) in [
        // q and w: what comes while a burst refills. t: as long as r takes to come.
        (
            quota("a", Quota::per_second(10).burst(20)),
            1,
            "\"a\";q=20;w=2",
            "\"a\";r=19;t=2",
        ),
        (
            quota("a", Quota::per_minute(100)),
            1,
            "\"a\";q=100;w=60",
            "\"a\";r=99;t=60",
        ),
        (
            quota("a", Quota::per_minute(100).burst(1)),
            1,
            "\"a\";q=1;w=1",
            "\"a\";r=0;t=1",
        ),
        (
            quota("a", Quota::per_minute(1)),
            2,
            "\"a\";q=1;w=60",
            "\"a\";r=0;t=60",
        ),
        (
            quota("a b", Quota::per_hour(7)),
            1,
            "\"a b\";q=7;w=3600",
            "\"a b\";r=6;t=3086",
        ),
        (
            fixed,
            1,
            "\"daily\";q=1000;w=86400",
            "\"daily\";r=999;t=86400",
        ),
        (sliding, 1, "\"odd\";q=3;w=2", "\"odd\";r=2;t=2"),
    ] {
        let (_, headers, _) = answer(&layer(&[policy]), nth, &[("x-user", "1")]).await;
        assert_eq!(headers["ratelimit-policy"], policies);
        assert_eq!(headers["ratelimit"], limits);
        assert!(!headers.contains_key("x-ratelimit-limit"));
    }
}

#[tokio::test]
async fn several_policies_are_one_list_that_is_added_to() {
    let narrow = Policy::fixed_window("narrow", Quota::per_hour(1)).expect("a quota");
    let layer = layer(&[gcra(60, 10), narrow]);
    let nested = RateLimitLayer::new(Limiter::memory()).limit(gcra(60, 5), user);
    let service = ServiceBuilder::new()
        .layer(nested)
        .layer(layer.clone())
        .service_fn(hello);
    let answer = service
        .oneshot(request(&[("x-user", "1")]))
        .await
        .expect("infallible");
    let lines: Vec<_> = answer.headers().get_all("ratelimit").iter().collect();
    assert_eq!(
        lines,
        [
            "\"user\";r=9;t=9, \"narrow\";r=0;t=3600",
            "\"user\";r=4;t=4"
        ]
    );

    let (status, headers, body) = self::answer(&layer, 1, &[("x-user", "1")]).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(headers["retry-after"], "3600");
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(headers["content-length"], body.len().to_string().as_str());
    let expected = r#"{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded","title":"Request cannot be satisfied as assigned quota has been exceeded","status":429,"violated-policies":["narrow"]}"#;
    assert_eq!(body, expected);
}

#[tokio::test]
async fn older_headers_and_none_are_there_on_demand() {
    for (headers, draft, legacy) in [
        (Headers::Draft11, true, false),
        (Headers::XRateLimit, false, true),
        (Headers::Both, true, true),
        (Headers::None, false, false),
    ] {
        let layer = layer(&[gcra(60, 2)]).headers(headers);
        let (status, fields, _) = answer(&layer, 3, &[("x-user", "1")]).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(fields["retry-after"], "1", "{headers:?}");
        assert_eq!(fields.contains_key("ratelimit"), draft, "{headers:?}");
        assert_eq!(
            fields.contains_key("x-ratelimit-reset"),
            legacy,
            "{headers:?}"
        );
        if legacy {
            let field = |name: &str| fields[name].to_str().expect("ASCII").to_owned();
            let all =
                ["limit", "remaining", "reset"].map(|name| field(&format!("x-ratelimit-{name}")));
            assert_eq!(all, ["2", "0", "2"]);
        }
    }
}

#[tokio::test]
async fn a_grpc_client_is_answered_in_its_way() {
    let layer = layer(&[gcra(60, 1)]);
    let grpc = [("x-user", "1"), ("content-type", "application/grpc+proto")];
    let (status, headers, body) = answer(&layer, 2, &grpc).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "application/grpc");
    assert_eq!(headers["grpc-status"], "8");
    assert!(headers.contains_key("grpc-message"));
    assert!(headers.contains_key("grpc-status-details-bin"));
    assert_eq!(body, "");
}

#[tokio::test]
async fn only_what_is_grpc_is_answered_as_grpc() {
    for (content_type, is_grpc) in [
        ("application/grpc", true),
        ("Application/gRPC", true),
        ("application/grpc+json", true),
        ("application/grpc;charset=utf-8", true),
        ("application/grpc ; charset=utf-8", true),
        ("application/grpcfoo", false),
        ("application/grpc-web", false),
        ("application/grpc-web+proto", false),
        ("application/grp", false),
        ("text/application/grpc", false),
    ] {
        let asked = [("x-user", "1"), ("content-type", content_type)];
        let (status, headers, _) = answer(&layer(&[gcra(60, 1)]), 2, &asked).await;
        let expected = if is_grpc { 200 } else { 429 };
        assert_eq!(status.as_u16(), expected, "{content_type}");
        assert_eq!(headers.contains_key("grpc-status"), is_grpc);
    }
}

#[tokio::test]
async fn a_client_is_not_told_to_come_back_in_vain() {
    for content_type in ["text/plain", "application/grpc"] {
        // The same limit twice, and only one unit at once.
        let layer = layer(&[gcra(60, 1), gcra(60, 1)]);
        let asked = [("x-user", "1"), ("content-type", content_type)];
        let (_, headers, _) = answer(&layer, 1, &asked).await;
        for name in ["retry-after", "grpc-status-details-bin"] {
            assert!(!headers.contains_key(name), "{name}: {headers:?}");
        }
        let expected = "\"user\";r=1;t=1, \"user\";r=1;t=1";
        assert_eq!(headers["ratelimit"], expected);
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_is_a_bad_request() {
    let layer =
        RateLimitLayer::new(Limiter::memory()).limit(gcra(60, 1), |_| Some(vec![0; 64 * 1024 + 1]));
    let (status, headers, body) = answer(&layer, 1, &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(!headers.contains_key("retry-after"));
    assert!(body.contains("about:blank"), "{body}");
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn without_redis_the_answer_is_what_the_failure_policy_says() {
    use std::num::NonZeroU32;

    use redis_ratelimit::{FailurePolicy, RedisStore};

    let nodes = NonZeroU32::MIN;
    for (on_failure, expected, fields) in [
        (FailurePolicy::Open, [200, 200], [true, false]),
        (FailurePolicy::Closed, [503, 503], [true, false]),
        (FailurePolicy::Local { nodes }, [200, 429], [true, true]),
    ] {
        // A port of nobody: it is reserved, and refused at once.
        let store = RedisStore::open("redis://127.0.0.1:1").expect("a URL");
        let limiter = Limiter::builder().redis(store, on_failure).build();
        let layer = RateLimitLayer::new(limiter).limit(gcra(60, 1), user);
        let mut statuses = Vec::new();
        for _ in 0..2 {
            let (status, headers, body) = answer(&layer, 1, &[("x-user", "1")]).await;
            statuses.push(status.as_u16());
            let found = ["ratelimit-policy", "ratelimit"].map(|name| headers.contains_key(name));
            assert_eq!(found, fields, "{on_failure:?}");
            assert_eq!(
                headers.contains_key("retry-after"),
                status != StatusCode::OK
            );
            assert_eq!(
                status == 503,
                body.contains("#temporary-reduced-capacity"),
                "{body}"
            );
        }
        assert_eq!(statuses, expected, "{on_failure:?}");
    }
}
