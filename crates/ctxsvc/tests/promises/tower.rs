//! Contexts over the wire.

use std::convert::Infallible;
use std::time::Duration;

use ctxsvc::{Ctx, CtxLayer, Done, PropagateLayer, TraceParent};
use http::{HeaderName, Request, Response, StatusCode};
use tower::{Layer, ServiceExt, service_fn};

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn request(headers: &[(&'static str, &'static str)]) -> Request<()> {
    let mut request = Request::new(());
    for (name, value) in headers {
        let value = http::HeaderValue::from_static(value);
        request
            .headers_mut()
            .append(HeaderName::from_static(name), value);
    }
    request
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_request_is_the_earliest_that_was_given() {
    let layer = CtxLayer::new().max_timeout(ms(900));
    for (headers, left) in [
        (&[][..], 900),
        (&[("grpc-timeout", "300m")], 300),
        (&[("x-request-timeout", "250ms")], 250),
        (&[("x-request-timeout", "2s")], 900),
        (&[("x-request-timeout", "nonsense")], 900),
        (
            &[("grpc-timeout", "300m"), ("x-request-timeout", "0.2s")],
            200,
        ),
    ] {
        let service = layer.layer(service_fn(async |request: Request<()>| {
            let ctx = request.extensions().get::<Ctx>().expect("it was put there");
            assert_eq!(ctx.remaining(), Ctx::current().remaining());
            let left = ctx.remaining().map(|left| left.as_millis());
            Ok::<_, Infallible>(Response::new(left))
        }));
        let response = service.oneshot(request(headers)).await.expect("infallible");
        assert_eq!(response.into_body(), Some(left), "{headers:?}");
    }
    let in_ms =
        CtxLayer::new().timeout_header(HeaderName::from_static("x-envoy-expected-rq-timeout-ms"));
    let service = in_ms.layer(service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::new(Ctx::current().remaining()))
    }));
    let request = request(&[("x-envoy-expected-rq-timeout-ms", "70")]);
    assert_eq!(
        service
            .oneshot(request)
            .await
            .expect("infallible")
            .into_body(),
        Some(ms(70))
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_late_is_a_504_or_the_status_of_grpc() {
    let hangs = service_fn(async |_: Request<()>| {
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(Response::new(()))
    });
    let service = CtxLayer::new().layer(hangs);
    let plain = request(&[("x-request-timeout", "50ms")]);
    let response = service.clone().oneshot(plain).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);

    let grpc = request(&[
        ("grpc-timeout", "50m"),
        ("content-type", "application/grpc+proto"),
    ]);
    let response = service.oneshot(grpc).await.expect("infallible");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["grpc-status"], "4");
}

#[tokio::test]
async fn a_request_without_any_time_left_does_not_reach_the_service() {
    let service = service_fn(async |_: Request<()>| -> Result<Response<()>, Infallible> {
        panic!("it was called")
    });
    let request = request(&[("grpc-timeout", "0m")]);
    let response = CtxLayer::new()
        .layer(service)
        .oneshot(request)
        .await
        .expect("infallible");
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_what_was_done_for_it_and_one_that_stays_does_not() {
    let (sender, mut contexts) = tokio::sync::mpsc::unbounded_channel();
    let service = CtxLayer::new().layer(service_fn(move |request: Request<()>| {
        sender
            .send(Ctx::clone(request.extensions().get().expect("a context")))
            .expect("open");
        async move {
            if request.headers().contains_key("hang") {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(()))
        }
    }));
    let mut gone = tokio_test::task::spawn(service.clone().oneshot(request(&[("hang", "1")])));
    tokio_test::assert_pending!(gone.poll());
    let ctx = contexts.recv().await.expect("it was called");
    assert!(!ctx.is_cancelled());
    drop(gone);
    let done = ctx.check().expect_err("nobody waits for it");
    assert_eq!(
        done.cause().map(ToString::to_string).as_deref(),
        Some("the client has gone")
    );

    service.oneshot(request(&[])).await.expect("infallible");
    assert!(
        !contexts.recv().await.expect("it was called").is_cancelled(),
        "its body may follow"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_left_goes_along_with_a_request_that_goes_out() {
    let echo = service_fn(async |request: Request<()>| {
        let headers = request.headers().clone();
        Ok::<_, Infallible>(headers)
    });
    let service = PropagateLayer::new().layer(echo);
    let incoming = request(&[("traceparent", TRACEPARENT), ("tracestate", "a=1")]);
    let inner = service.clone();
    let handler = CtxLayer::new()
        .max_timeout(ms(300))
        .layer(service_fn(move |_: Request<()>| {
            let inner = inner.clone();
            async move {
                tokio::time::sleep(ms(100)).await;
                let grpc = request(&[("content-type", "application/grpc")]);
                let (plain, grpc) = (inner.clone().oneshot(request(&[])), inner.oneshot(grpc));
                let parent = Ctx::current()
                    .value::<TraceParent>()
                    .cloned()
                    .expect("it was sent");
                assert!(parent.is_sampled());
                let headers = (plain.await.expect("sent"), grpc.await.expect("sent"));
                Ok::<_, Infallible>(Response::new(Some(headers)))
            }
        }));
    let response = handler.oneshot(incoming).await.expect("infallible");
    let (plain, grpc) = response.into_body().expect("in time");
    assert_eq!(plain["x-request-timeout"], "200ms");
    assert_eq!(grpc["grpc-timeout"], "200000u");
    for headers in [plain, grpc] {
        assert_eq!(
            (&headers["traceparent"], &headers["tracestate"]),
            (
                &TRACEPARENT.parse().expect("visible"),
                &"a=1".parse().expect("visible")
            )
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_when_no_time_is_left_and_nothing_is_waited_for_beyond_it() {
    let hangs =
        service_fn(async |_: Request<()>| std::future::pending::<Result<(), Infallible>>().await);
    let service = PropagateLayer::new().layer(hangs);
    let ctx = Ctx::root().with_timeout(ms(50));
    for _ in 0..2 {
        let error = ctx
            .scope(service.clone().oneshot(request(&[])))
            .await
            .expect_err("late");
        assert!(
            error.downcast_ref::<Done>().is_some_and(Done::is_timeout),
            "{error}"
        );
    }
}
