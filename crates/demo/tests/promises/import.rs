//! Importing users as lines of JSON.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use demo::Pools;
use demo::api::router;
use demo::store::{SqliteStore, UserStore};
use elastic_pool::task;
use futures_util::{StreamExt, stream};
use redis_ratelimit::{Limiter, RateLimitLayer};
use serde_json::{Value, json};

use crate::support::{json, ndjson, pools, routes, send};

fn request(body: impl Into<Body>) -> Request<Body> {
    Request::post("/users/import")
        .header("content-type", "application/x-ndjson")
        .body(body.into())
        .expect("well formed")
}

async fn import(body: impl Into<Body>) -> (StatusCode, Value) {
    json(send(&routes().await, request(body)).await).await
}

#[tokio::test]
async fn valid_lines_are_imported_and_the_others_are_named() {
    let too_long = format!(
        "{{\"email\":\"long@example.com\",\"name\":\"{}\"}}",
        "x".repeat(9_000)
    );
    let body = [
        r#"{"email":"a@example.com","name":"A"}"#,
        "",
        "{",
        r#"{"email":"A@EXAMPLE.COM","name":"A again"}"#,
        "   \r",
        r#"{"email":"nobody","name":""}"#,
        &too_long,
        r#"{"name":"B","email":"b@example.com"}  "#,
    ]
    .join("\n");
    let (status, report) = import(body).await;
    assert_eq!(status, StatusCode::OK, "{report}");
    assert_eq!(
        (&report["imported"], &report["refused"]),
        (&json!(2), &json!(4)),
        "{report}"
    );
    let refusals: Vec<_> = report["refusals"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|refusal| {
            let detail = refusal["detail"].as_str().expect("text");
            (refusal["line"].as_u64().expect("a number"), detail)
        })
        .collect();
    for (line, words) in [
        (3, "not a user"),
        (4, "another user"),
        (
            6,
            "email is not an e-mail address such as ada@example.com; name is empty",
        ),
        (7, "longer than 8192 bytes"),
    ] {
        let found = refusals
            .iter()
            .any(|(found, detail)| *found == line && detail.to_lowercase().contains(words));
        assert!(found, "line {line} {words}: {refusals:?}");
    }
}

#[tokio::test]
async fn batches_add_up_whatever_their_number() {
    for count in [0, 1, 499, 500, 501, 1_000] {
        let (status, report) = import(ndjson(count)).await;
        assert_eq!(
            (status, &report["imported"]),
            (StatusCode::OK, &json!(count)),
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_flood_of_refusals_is_counted_and_not_listed() {
    let (_, report) = import("x\n".repeat(1_000)).await;
    assert_eq!(report["refused"], 1_000);
    assert_eq!(report["refusals"].as_array().map(Vec::len), Some(100));
}

#[tokio::test]
async fn a_body_of_another_media_type_is_refused() {
    let mut request = request(ndjson(1));
    request
        .headers_mut()
        .insert("content-type", "text/csv".parse().expect("valid"));
    let (status, problem) = json(send(&routes().await, request).await).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(
        problem.to_string().contains("application/x-ndjson"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_body_that_breaks_off_tells_how_much_was_imported() {
    let pieces = [Ok(Bytes::from(ndjson(600))), Err(io::Error::other("gone"))];
    let body = Body::from_stream(stream::iter(pieces));
    let (status, problem) = import(body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    assert!(problem.to_string().contains("broke off"), "{problem}");
    assert_eq!(problem["fields"]["imported"], 500, "one whole batch");
}

#[tokio::test]
async fn a_store_that_fails_in_between_tells_how_much_was_imported() {
    let store = SqliteStore::in_memory().await.expect("memory");
    let routes = routes_with(&store, pools());
    let first = stream::once(async { Ok(Bytes::from(ndjson(500))) });
    let second = stream::once(async move {
        store.close().await;
        Ok::<_, Infallible>(Bytes::from(ndjson(1)))
    });
    let body = Body::from_stream(first.chain(second));
    let (status, problem) = json(send(&routes, request(body)).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert_eq!(problem["fields"]["imported"], 500);
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_the_first_line() {
    let (_, report) = import(format!("\u{feff}{}\u{feff}{}", ndjson(1), "{}\n")).await;
    assert_eq!(
        (&report["imported"], &report["refused"]),
        (&json!(1), &json!(1)),
        "{report}"
    );
}

#[tokio::test]
async fn a_refusal_quotes_no_more_of_a_line_than_a_person_reads() {
    let line = format!("{{\"{}\": 1}}", "x".repeat(8_000));
    let (_, report) = import(line).await;
    let detail = report["refusals"][0]["detail"].as_str().expect("text");
    assert_eq!(detail.chars().count(), 200, "{detail}");
}

#[tokio::test]
async fn a_body_above_the_limit_tells_how_much_was_imported() {
    let line = Bytes::from(format!("{}\n", "x".repeat(8_000)));
    let first = Bytes::from(ndjson(500));
    let pieces = std::iter::once(first).chain(std::iter::repeat_n(line, 10_000));
    let pieces = pieces.map(Ok::<_, Infallible>);
    let body = Body::from_stream(stream::iter(pieces));
    let (status, problem) = import(body).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{problem}");
    assert_eq!(problem["fields"]["imported"], 500);
}

fn routes_with(store: &SqliteStore, pools: Pools) -> Router {
    router(
        Arc::new(store.clone()),
        pools,
        RateLimitLayer::new(Limiter::memory()),
        demo::telemetry::metrics(),
    )
}

#[tokio::test]
async fn each_batch_is_a_job_of_the_pool() {
    let store = SqliteStore::in_memory().await.expect("memory");
    let pools = pools();
    let routes = routes_with(&store, pools.clone());
    let (status, report) = json(send(&routes, request(ndjson(1_001))).await).await;
    assert_eq!(
        (status, &report["imported"]),
        (StatusCode::OK, &json!(1_001))
    );
    assert_eq!(pools.importing.metrics().completed, 3);
    let text = demo::telemetry::metrics().render();
    for metric in [
        "pool_jobs_total{pool=\"importing\",outcome=\"completed\"}",
        "pool_job_wait_seconds_bucket{pool=\"importing\",le=\"0.001\"}",
        "pool_jobs_running{pool=\"importing\"}",
    ] {
        assert!(text.contains(metric), "{metric} is not in {text}");
    }
}

/// A pool with one place to run, which is taken for ever, and one to wait.
async fn busy() -> Pools {
    let builder = task::Pool::builder().limit(1).queue(1);
    let importing = builder.build().expect("the settings are in range");
    importing
        .execute(std::future::pending::<()>())
        .await
        .expect("it is open");
    Pools {
        importing,
        ..pools()
    }
}

#[tokio::test]
async fn an_import_that_finds_the_pool_full_says_when_to_come_again() {
    let store = SqliteStore::in_memory().await.expect("memory");
    let pools = busy().await;
    let next_job = std::future::pending::<()>();
    pools.importing.execute(next_job).await.expect("it is open");
    let response = send(&routes_with(&store, pools), request(ndjson(1))).await;
    assert_eq!(response.headers()["retry-after"], "1");
    let (status, problem) = json(response).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert_eq!(problem["code"], "import/BUSY");
    assert_eq!(problem["fields"]["imported"], 0);
}

#[tokio::test]
async fn a_batch_that_waits_for_too_long_ends_its_import() {
    let store = SqliteStore::in_memory().await.expect("memory");
    let routes = routes_with(&store, busy().await);
    // Only the deadline is left to wait for.
    tokio::time::pause();
    let (status, problem) = json(send(&routes, request(ndjson(1))).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert_eq!(problem["code"], "import/BUSY");
}

#[tokio::test]
async fn a_service_that_stops_ends_its_pools_and_stores_what_was_begun() {
    let store = SqliteStore::in_memory().await.expect("memory");
    let pools = pools();
    let routes = routes_with(&store, pools.clone());
    let (status, _) = json(send(&routes, request(ndjson(1))).await).await;
    assert_eq!(status, StatusCode::OK);
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    let begun = pools.importing.submit(finished).await.expect("it is open");
    let stopping = pools.shut_down();
    tokio::pin!(stopping);
    assert!(futures_util::poll!(&mut stopping).is_pending());
    finish.send(()).expect("the job waits");
    stopping.await;
    assert_eq!(begun.await.expect("it was begun"), Ok(()));
    let (status, problem) = json(send(&routes, request(ndjson(1))).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
}
