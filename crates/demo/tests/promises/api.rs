//! What each request is answered with.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use clap::Parser;
use demo::Args;
use demo::server::Limits;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{TestServer, json, routes, send};

fn request(method: Method, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(body.into())
        .expect("well formed")
}

fn with_header(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    let value = value.parse().expect("a header value");
    request.headers_mut().append(name, value);
    request
}

fn get(path: &str) -> Request<Body> {
    request(Method::GET, path, Body::empty())
}

fn ada() -> String {
    json!({"email": "ada@example.com", "name": "Ada"}).to_string()
}

/// Creates a user and returns the path of it.
async fn create(routes: &axum::Router, email: &str) -> String {
    let body = json!({"email": email, "name": "Ada"}).to_string();
    let response = send(routes, request(Method::POST, "/users", body)).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    header(&response, "location").to_owned()
}

fn header<'r>(response: &'r Response<Body>, name: &str) -> &'r str {
    response.headers()[name].to_str().expect("text")
}

#[tokio::test]
async fn a_created_user_is_found_where_the_answer_says() {
    let routes = routes().await;
    let created = send(&routes, request(Method::POST, "/users", ada())).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    assert_eq!(header(&created, "etag"), "\"1\"");
    let path = header(&created, "location").to_owned();
    let (_, created) = json(created).await;

    let (status, read) = json(send(&routes, get(&path)).await).await;
    assert_eq!((status, &read), (StatusCode::OK, &created));
    assert_eq!(read["email"], "ada@example.com");
    assert_eq!(read["version"], 1);
}

#[tokio::test]
async fn input_that_is_not_a_user_is_refused_with_the_reason() {
    let routes = routes().await;
    let deep = "[".repeat(10_000);
    for (body, status, words) in [
        ("", 400, "not JSON"),
        ("{", 400, "not JSON"),
        (deep.as_str(), 422, "not a user"),
        (
            "{\"email\": \"a@example.com\", \"name\": \"\u{0}\"}",
            400,
            "not JSON",
        ),
        ("null", 422, "not a user"),
        ("[]", 422, "not a user"),
        ("{}", 422, "missing field"),
        (r#"{"email": 1, "name": "A"}"#, 422, "expected a string"),
        (
            r#"{"email": "a@example.com", "name": "A", "admin": true}"#,
            422,
            "unknown field",
        ),
        (
            r#"{"email": "a@example.com", "email": "b@example.com", "name": "A"}"#,
            422,
            "duplicate",
        ),
        (r#"{"email": "nobody", "name": "A"}"#, 422, "\"email\":"),
        (
            r#"{"email": "a@example.com", "name": "\u0000"}"#,
            422,
            "\"name\":",
        ),
        (
            r#"{"email": "a@example.com", "name": "\ud800"}"#,
            400,
            "not JSON",
        ),
    ] {
        let response = send(&routes, request(Method::POST, "/users", body.to_owned())).await;
        let (found, problem) = json(response).await;
        assert_eq!(found.as_u16(), status, "{body:.80}: {problem}");
        assert!(problem.to_string().contains(words), "{body:.80}: {problem}");
    }
    let bytes: &[u8] = b"{\"email\": \"a@example.com\", \"name\": \"\xff\"}";
    let response = send(&routes, request(Method::POST, "/users", bytes)).await;
    assert_eq!(json(response).await.0, StatusCode::BAD_REQUEST, "not UTF-8");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_user_is_said_at_once() {
    let body = json!({"email": "", "name": ""}).to_string();
    let response = send(&routes().await, request(Method::POST, "/users", body)).await;
    let (status, problem) = json(response).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    for member in ["email", "name"] {
        assert!(problem["fields"][member].is_string(), "{problem}");
    }
}

#[tokio::test]
async fn a_duplicate_email_is_a_conflict_with_a_code_of_its_own() {
    let routes = routes().await;
    create(&routes, "ADA@example.com").await;
    let (status, problem) = json(send(&routes, request(Method::POST, "/users", ada())).await).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(problem["code"], "user/EMAIL_TAKEN");
}

#[tokio::test]
async fn a_request_for_nothing_that_there_is_gets_a_problem_document() {
    let server = TestServer::start(Limits::default(), routes().await).await;
    let unknown = "/users/00000000-0000-7000-8000-000000000000";
    for (method, path, status) in [
        (Method::GET, "/", 404),
        (Method::GET, "/users/", 404),
        (Method::GET, "/users/7", 400),
        (Method::GET, "/users/%00", 400),
        (Method::GET, "/users/%ff", 400),
        (Method::GET, unknown, 404),
        (Method::DELETE, unknown, 404),
        (Method::PATCH, unknown, 405),
        (Method::DELETE, "/users", 405),
        (Method::GET, "/users/import", 405),
        (Method::GET, "/users?limit=0", 400),
        (Method::GET, "/users?limit=101", 400),
        (Method::GET, "/users?limit=-1", 400),
        (Method::GET, "/users?limit=99999999999", 400),
        (Method::GET, "/users?after=7", 400),
        (Method::GET, "/users?page=2", 400),
    ] {
        let mut raw = server.connect().await;
        let head = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        raw.send(head).await;
        let response = raw.rest().await;
        assert!(
            response.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {response}"
        );
        assert!(
            response.contains("application/problem+json"),
            "{path}: {response}"
        );
    }
}

#[tokio::test]
async fn a_body_must_say_that_it_is_json() {
    let routes = routes().await;
    let mut request = request(Method::POST, "/users", ada());
    request.headers_mut().remove("content-type");
    let (status, problem) = json(send(&routes, request).await).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(
        problem["detail"].to_string().contains("application/json"),
        "{problem}"
    );
}

#[tokio::test]
async fn an_update_is_for_the_version_that_the_client_has_read() {
    let routes = routes().await;
    let path = create(&routes, "ada@example.com").await;
    for (if_match, status, etag) in [
        (None, 428, None),
        (Some("\"2\""), 412, None),
        (Some("W/\"1\""), 412, None),
        (Some("\"one\""), 412, None),
        (Some("\"1\""), 200, Some("\"2\"")),
        (Some("\"1\""), 412, None),
        (Some("\"1\", \"2\""), 200, Some("\"3\"")),
        (Some("*"), 200, Some("\"4\"")),
    ] {
        let mut put = request(Method::PUT, &path, ada());
        if let Some(tag) = if_match {
            put = with_header(put, "if-match", tag);
        }
        let response = send(&routes, put).await;
        assert_eq!(response.status().as_u16(), status, "{if_match:?}");
        let found = response
            .headers()
            .get("etag")
            .map(|tag| tag.to_str().expect("text"));
        assert_eq!(found, etag, "{if_match:?}");
    }
}

#[tokio::test]
async fn a_version_mismatch_tells_the_version_to_read() {
    let routes = routes().await;
    let path = create(&routes, "ada@example.com").await;
    let put = with_header(request(Method::PUT, &path, ada()), "if-match", "\"9\"");
    let (status, problem) = json(send(&routes, put).await).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(problem["code"], "user/VERSION_MISMATCH");
    assert_eq!(problem["fields"]["current"], 1);
}

#[tokio::test]
async fn a_read_of_a_version_that_the_client_has_sends_no_body() {
    let routes = routes().await;
    let path = create(&routes, "ada@example.com").await;
    for (tag, status) in [("\"1\"", 304), ("W/\"1\"", 304), ("*", 304), ("\"2\"", 200)] {
        let response = send(&routes, with_header(get(&path), "if-none-match", tag)).await;
        assert_eq!(response.status().as_u16(), status, "{tag}");
        assert_eq!(header(&response, "etag"), "\"1\"", "{tag}");
    }
}

#[tokio::test]
async fn a_change_for_a_user_who_is_not_there_does_not_change_one_who_is() {
    let routes = routes().await;
    let path = create(&routes, "ada@example.com").await;
    for (method, tag, status) in [
        (Method::PUT, "*", 412),
        (Method::PUT, "\"1\"", 412),
        (Method::DELETE, "*", 412),
        (Method::PUT, "\"7\"", 200),
    ] {
        let change = with_header(request(method, &path, ada()), "if-none-match", tag);
        let response = send(&routes, with_header(change, "if-match", "*")).await;
        assert_eq!(response.status().as_u16(), status, "{tag}");
    }
}

#[tokio::test]
async fn a_delete_may_name_a_version_and_frees_the_address() {
    let routes = routes().await;
    let path = create(&routes, "ada@example.com").await;
    let delete = || request(Method::DELETE, &path, Body::empty());
    let stale = send(&routes, with_header(delete(), "if-match", "\"2\"")).await;
    assert_eq!(stale.status(), StatusCode::PRECONDITION_FAILED);
    let deleted = send(&routes, with_header(delete(), "if-match", "\"1\"")).await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        send(&routes, delete()).await.status(),
        StatusCode::NOT_FOUND
    );
    create(&routes, "ada@example.com").await;
}

#[tokio::test]
async fn following_next_visits_every_user_once() {
    let routes = routes().await;
    for number in 0..5 {
        create(&routes, &format!("u{number}@example.com")).await;
    }
    let (mut seen, mut next) = (Vec::new(), Some("/users?limit=2".to_owned()));
    let mut pages = 0;
    while let Some(path) = next {
        pages += 1;
        assert!(pages <= 3, "{seen:?}");
        let response = send(&routes, get(&path)).await;
        let has_link = response.headers().contains_key("link");
        let (_, page) = json(response).await;
        seen.extend(page["users"].as_array().expect("a list").iter().map(email));
        next = page["next"].as_str().map(str::to_owned);
        assert_eq!(has_link, next.is_some());
    }
    let expected: Vec<_> = (0..5)
        .map(|number| format!("u{number}@example.com"))
        .collect();
    assert_eq!(seen, expected);
}

fn email(user: &Value) -> String {
    user["email"].as_str().expect("text").to_owned()
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up_on_in_the_end() {
    let routes = routes().await;
    tokio::time::pause();
    for (path, media_type, limit) in [
        ("/users", "application/json", Duration::from_secs(30)),
        (
            "/users/import",
            "application/x-ndjson",
            Duration::from_mins(10),
        ),
    ] {
        // Each piece comes in time for the guard of a body that is idle.
        let endless = futures_util::stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(7)).await;
            Some((Ok::<_, Infallible>("\n"), ()))
        });
        let endless = Box::pin(endless);
        let mut post = request(Method::POST, path, Body::from_stream(endless));
        let media_type = media_type.parse().expect("a header value");
        post.headers_mut().insert("content-type", media_type);
        let started = Instant::now();
        let response = send(&routes, post).await;
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT, "{path}");
        assert_eq!(started.elapsed().as_secs(), limit.as_secs(), "{path}");
    }
}

#[tokio::test]
async fn a_client_can_not_invent_values_of_a_label() {
    let routes = routes().await;
    let brew = Method::from_bytes(b"BREW").expect("a token");
    for path in ["/users", "/no/such/path"] {
        send(&routes, request(brew.clone(), path, Body::empty())).await;
    }
    let response = send(&routes, get("/metrics")).await;
    let text = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("whole");
    let text = str::from_utf8(&text).expect("UTF-8");
    assert!(
        counts_with(
            text,
            &["http_request_method=\"_OTHER\"", "http_route=\"/users\""]
        ),
        "{text}"
    );
    assert!(
        !text.contains("BREW") && !text.contains("/no/such"),
        "{text}"
    );
}

/// Whether requests with all of these labels were counted.
fn counts_with(metrics: &str, labels: &[&str]) -> bool {
    metrics.lines().any(|line| {
        line.starts_with("http_server_request_duration_seconds_count{")
            && labels.iter().all(|label| line.contains(label))
    })
}

#[test]
fn the_service_is_for_this_machine_alone_unless_asked() {
    let args = Args::parse_from(["demo", "--memory"]);
    assert!(args.host.is_loopback(), "{args:?}");
}

#[tokio::test]
async fn health_and_metrics_answer() {
    let routes = routes().await;
    create(&routes, "ada@example.com").await;
    for path in ["/health/live", "/health/ready"] {
        let (status, health) = json(send(&routes, get(path)).await).await;
        assert_eq!(
            (status, &health["status"]),
            (StatusCode::OK, &json!("ok")),
            "{path}"
        );
    }
    let response = send(&routes, get("/metrics")).await;
    let text = axum::body::to_bytes(response.into_body(), usize::MAX)
        .await
        .expect("whole");
    let text = str::from_utf8(&text).expect("UTF-8");
    let labels = [
        "http_request_method=\"POST\"",
        "http_route=\"/users\"",
        "http_response_status_code=\"201\"",
    ];
    assert!(counts_with(text, &labels), "{text}");
}

#[tokio::test]
async fn several_users_are_read_at_once_in_the_order_asked_for() {
    let routes = routes().await;
    let mut ids = Vec::new();
    for email in ["a@example.com", "b@example.com", "c@example.com"] {
        let path = create(&routes, email).await;
        ids.push(path.rsplit('/').next().expect("an id").to_owned());
    }
    let nobody = uuid_of_nobody();
    let path = format!("/users?ids={},{nobody},{},{}", ids[2], ids[0], ids[2]);
    let response = send(&routes, get(&path)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let (_, page) = json(response).await;
    let emails: Vec<_> = page["users"]
        .as_array()
        .expect("users")
        .iter()
        .map(|user| &user["email"])
        .collect();
    assert_eq!(emails, ["c@example.com", "a@example.com"]);

    let too_many = vec![nobody.as_str(); 101].join(",");
    for ids in ["", "1", "a,b", &too_many] {
        let response = send(&routes, get(&format!("/users?ids={ids}"))).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{ids}");
    }
}

fn uuid_of_nobody() -> String {
    "01890000-0000-7000-8000-000000000000".to_owned()
}

#[tokio::test]
async fn an_update_is_seen_at_once_by_who_has_read_before() {
    let routes = routes().await;
    let path = create(&routes, "ada@example.com").await;
    for version in 1..4 {
        let read = send(&routes, get(&path)).await;
        assert_eq!(header(&read, "etag"), format!("\"{version}\""));
        let update = request(Method::PUT, &path, ada());
        let update = with_header(update, "if-match", &format!("\"{version}\""));
        assert_eq!(send(&routes, update).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn each_user_has_a_picture_of_its_own() {
    let routes = routes().await;
    let ada = create(&routes, "ada@example.com").await;
    let bob = create(&routes, "bob@example.com").await;
    let mut pictures = Vec::new();
    for user in [&ada, &ada, &bob] {
        let response = send(&routes, get(&format!("{user}/avatar.png"))).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "content-type"), "image/png");
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await;
        pictures.push(body.expect("whole"));
    }
    assert!(pictures[0].starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_eq!(pictures[0], pictures[1]);
    assert_ne!(pictures[0], pictures[2]);

    let nobody = format!("/users/{}/avatar.png", uuid_of_nobody());
    let (status, problem) = json(send(&routes, get(&nobody)).await).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(problem["code"], "user/NOT_FOUND");

    let metrics = send(&routes, get("/metrics")).await;
    let text = axum::body::to_bytes(metrics.into_body(), usize::MAX).await;
    let text = String::from_utf8(text.expect("whole").to_vec()).expect("UTF-8");
    let line = "pool_jobs_total{pool=\"drawing\",outcome=\"completed\"} 3";
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn where_users_come_from_is_in_the_metrics() {
    let routes = routes().await;
    let ada = create(&routes, "ada@example.com").await;
    for _ in 0..3 {
        assert_eq!(send(&routes, get(&ada)).await.status(), StatusCode::OK);
    }
    let metrics = send(&routes, get("/metrics")).await;
    let text = axum::body::to_bytes(metrics.into_body(), usize::MAX).await;
    let text = String::from_utf8(text.expect("whole").to_vec()).expect("UTF-8");
    for (level, times) in [("origin", 1), ("memory", 2)] {
        let labels = format!("cache_name=\"users\",cache_level=\"{level}\",cache_result=\"hit\"");
        let line = format!("cache_requests_total{{{labels}}} {times}");
        assert!(text.contains(&line), "{line}: {text}");
    }
}

#[tokio::test]
async fn a_request_without_time_left_is_given_up_on_with_504() {
    let routes = routes().await;
    let late = with_header(get("/users"), "x-request-timeout", "0ms");
    let response = send(&routes, late).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let in_time = with_header(get("/users"), "x-request-timeout", "30s");
    assert_eq!(send(&routes, in_time).await.status(), StatusCode::OK);
}

#[test]
fn nothing_is_wrong_with_the_order_of_the_chain() {
    let chain = crate::support::server(Limits::default());
    assert_eq!(chain.chain().check(), []);
}
