//! Each problem document that a chain makes, by the schema in the appendix of RFC 9457.

mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get as route;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body as HttpBody;
use http_body_util::{BodyExt, Full};
use middleware_chain::{
    Body, BodyLimit, BoxError, CatchPanic, Chain, ChainBuilder, Concurrency, Error, Exchange,
    HostCheck, Middleware, Next, ProblemJson, RequestBody, Result, Timeout,
};
use serde_json::Value;
use tower::{Layer, Service, ServiceExt};

use support::{get, hang, ok, reads, service};

/// RFC 9457, appendix A, without its descriptions.
const SCHEMA: &str = r#"{
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "An RFC 7807 problem object",
    "type": "object",
    "properties": {
        "type": { "type": "string", "format": "uri-reference" },
        "title": { "type": "string" },
        "status": { "type": "integer", "minimum": 100, "maximum": 599 },
        "detail": { "type": "string" },
        "instance": { "type": "string", "format": "uri-reference" }
    }
}"#;

/// What is wrong with a value, by what a schema of this size can say.
fn validate(schema: &Value, value: &Value) -> std::result::Result<(), String> {
    let rules = schema.as_object().ok_or("a schema is an object")?;
    for (keyword, rule) in rules {
        let is_met = match (keyword.as_str(), rule.as_str()) {
            ("$schema" | "title", _) => true,
            ("type", Some("object")) => value.is_object(),
            ("type", Some("string")) => value.is_string(),
            ("type", Some("integer")) => value.is_i64() || value.is_u64(),
            ("format", Some("uri-reference")) => value.as_str().is_some_and(is_uri_reference),
            ("minimum", _) => value.as_f64() >= rule.as_f64(),
            ("maximum", _) => value.as_f64() <= rule.as_f64(),
            ("properties", _) => {
                let members = rule.as_object().into_iter().flatten();
                let present = members.filter_map(|(name, rule)| Some((rule, value.get(name)?)));
                for (rule, member) in present {
                    validate(rule, member)?;
                }
                true
            }
            _ => return Err(format!("a keyword that is not known here: {keyword}")),
        };
        if !is_met {
            return Err(format!("{value} is not of {keyword} {rule}"));
        }
    }
    Ok(())
}

/// The characters of RFC 3986, section 2, and `%` before two digits only.
fn is_uri_reference(text: &str) -> bool {
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    let mut escapes = text.split('%').skip(1);
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    text.bytes().all(is_allowed) && escapes.all(is_escape)
}

fn schema() -> Value {
    serde_json::from_str(SCHEMA).expect("the schema is JSON")
}

#[test]
fn what_the_schema_forbids_is_found() {
    for wrong in [
        "[]",
        r#"{"type": 1}"#,
        r#"{"type": "a b"}"#,
        r#"{"type": "%zz"}"#,
        r#"{"title": null}"#,
        r#"{"status": "404"}"#,
        r#"{"status": 404.5}"#,
        r#"{"status": 99}"#,
        r#"{"status": 600}"#,
        r#"{"detail": {}}"#,
        r#"{"instance": "\u0000"}"#,
    ] {
        let wrong = serde_json::from_str(wrong).expect("JSON");
        assert!(validate(&schema(), &wrong).is_err(), "{wrong}");
    }
    // Section 3 of the RFC.
    let example = r#"{
        "type": "https://example.com/probs/out-of-credit",
        "title": "You do not have enough credit.",
        "detail": "Your current balance is 30, but that costs 50.",
        "instance": "/account/12345/msgs/abc",
        "balance": 30,
        "accounts": ["/account/12345", "/account/67890"]
    }"#;
    let example = serde_json::from_str(example).expect("JSON");
    assert_eq!(validate(&schema(), &example), Ok(()));
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// A chain that renders problems, with more members inside.
fn chain(more: impl FnOnce(ChainBuilder) -> ChainBuilder) -> Chain {
    let chain = Chain::builder().with(ProblemJson::new());
    more(chain).build().expect("a chain")
}

async fn ask<S, R>(chain: Chain, service: S, request: Request<Body>) -> Answer
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    let answer = chain.layer(service).oneshot(request).await;
    let (head, body) = answer.expect("never fails").into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        body,
    }
}

/// Fails with this status and detail.
struct Fails(StatusCode, Option<&'static str>);

impl Middleware for Fails {
    async fn handle<'a>(&'a self, _cx: &'a mut Exchange, _next: Next<'a>) -> Result {
        let error = Error::status(self.0);
        Err(match self.1 {
            Some(detail) => error.detail(detail),
            None => error,
        })
    }
}

fn plain(path: &str) -> Request<Body> {
    get(path).map(Body::new)
}

/// Checks one by the schema, and by what the text of the RFC adds to it.
fn check(what: &str, answer: &Answer, status: u16, detail: Option<&str>) {
    let Answer {
        status: sent,
        headers,
        body,
    } = answer;
    assert_eq!(sent.as_u16(), status, "{what}");
    assert_eq!(
        headers[header::CONTENT_TYPE],
        "application/problem+json",
        "{what}"
    );
    assert_eq!(
        headers[header::CONTENT_LENGTH],
        *body.len().to_string(),
        "{what}"
    );
    let problem: Value = serde_json::from_slice(body).expect(what);
    assert_eq!(validate(&schema(), &problem), Ok(()), "{what}: {problem}");
    // Section 3.1.2: it is the status of the answer.
    assert_eq!(problem["status"], status, "{what}");
    // Section 4.2.1: then the title is the phrase of the status.
    assert_eq!(problem["type"], "about:blank", "{what}");
    let title = sent.canonical_reason().unwrap_or("Error");
    assert_eq!(problem["title"], title, "{what}");
    assert_eq!(
        problem.get("detail").and_then(Value::as_str),
        detail,
        "{what}"
    );
    let members: BTreeSet<_> = problem.as_object().expect(what).keys().collect();
    assert_eq!(members.len(), 3 + usize::from(detail.is_some()), "{what}");
}

#[tokio::test]
async fn each_status_with_and_without_a_detail_is_a_problem_of_the_schema() {
    const NASTY: &str = "\"\\ \r\n\t\0\u{7f} \u{e9} \u{2028} \u{1f980} </script>";

    for code in 400..=599 {
        let status = StatusCode::from_u16(code).expect("a status");
        for detail in [None, Some(""), Some(NASTY)] {
            let answer = ask(
                chain(|it| it.with(Fails(status, detail))),
                ok("x"),
                plain("/"),
            );
            check("an error", &answer.await, code, detail);
        }
        for content_type in ["text/plain", "text/plain; charset=utf-8"] {
            let bare =
                service(move |_| std::future::ready((status, content_type, "what it is about")));
            let answer = ask(chain(|it| it), bare, plain("/")).await;
            check(content_type, &answer, code, None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_member_that_refuses_makes_a_problem_of_the_schema() {
    let second = Duration::from_secs(1);
    let panics = || service(async |_| panic!("not for clients"));
    let hangs = || service(|_| hang());
    let long = |path: &str| plain(path).map(|_| Body::new(Full::from("more than four")));
    let chunked = support::Later::default;

    let answer = ask(chain(|it| it.with(CatchPanic::new())), panics(), plain("/"));
    check("a panic", &answer.await, 500, None);

    for timeout in [Timeout::total(second), Timeout::head(second)] {
        let answer = ask(chain(|it| it.with(timeout)), hangs(), plain("/"));
        check("a timeout", &answer.await, 503, None);
        let timeout = timeout.status(StatusCode::GATEWAY_TIMEOUT);
        let answer = ask(chain(|it| it.with(timeout)), hangs(), plain("/"));
        check("a timeout", &answer.await, 504, None);
    }

    for limit in [
        Concurrency::limit(0),
        Concurrency::limit(0).shed_after(second),
    ] {
        let answer = ask(chain(|it| it.with(limit)), ok("x"), plain("/"));
        check("shed", &answer.await, 503, None);
    }

    let limited = || chain(|it| it.with(BodyLimit::bytes(0)));
    let mut declared = long("/");
    let length = header::HeaderValue::from_static("14");
    declared
        .headers_mut()
        .insert(header::CONTENT_LENGTH, length);
    let answer = ask(limited(), reads(), declared).await;
    check("a body that says that it is too large", &answer, 413, None);
    let unsaid = plain("/").map(|_| Body::new(chunked()));
    let answer = ask(limited(), reads(), unsaid).await;
    check("a body that is too large", &answer, 413, None);

    let no_host = Request::get("/").body(Body::empty()).expect("a request");
    for (host, request, status) in [
        (HostCheck::any(), no_host, 400),
        (HostCheck::only(["theirs.example"]), plain("/"), 421),
    ] {
        let answer = ask(chain(|it| it.hook(host)), ok("x"), request).await;
        let problem: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let detail = problem["detail"].as_str();
        assert!(detail.is_some_and(|detail| detail.ends_with('.')));
        check("a host", &answer, status, detail);
    }

    let foreign = async |_: &mut Exchange, _: Next<'_>| {
        let _number: u8 = "not for clients".parse()?;
        unreachable!("it is none")
    };
    let answer = ask(
        chain(|it| it.named("foreign", foreign)),
        ok("x"),
        plain("/"),
    );
    check("an error by `?`", &answer.await, 500, None);

    let fails = tower::service_fn(async |_: Request<RequestBody>| {
        std::result::Result::<Response<Full<Bytes>>, _>::Err(std::fmt::Error)
    });
    let answer = ask(chain(|it| it), fails, plain("/"));
    check("a service that fails", &answer.await, 500, None);
}

#[tokio::test]
async fn what_a_router_refuses_is_a_problem_of_the_schema() {
    let router = || {
        let number = async |Path(_): Path<u8>| "a number";
        Router::new().route("/{number}", route(number))
    };
    for (method, path, status) in [
        (Method::GET, "/no/such/path", 404),
        (Method::POST, "/7", 405),
        (Method::GET, "/seven", 400),
    ] {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Body::empty()).expect("a request");
        let answer = ask(chain(|it| it), router(), request).await;
        check(path, &answer, status, None);
        // RFC 9110, section 15.5.6: it is still said what is allowed.
        let allow = answer.headers.contains_key(header::ALLOW);
        assert_eq!(allow, status == 405, "{path}");
    }
}

#[tokio::test]
async fn an_answer_to_head_has_the_length_of_the_problem_and_not_the_problem() {
    let mut lengths = Vec::new();
    for method in [Method::GET, Method::HEAD] {
        let request = Request::builder().method(&method).uri("/");
        let request = request.body(Body::empty()).expect("a request");
        let fails = |it: ChainBuilder| it.with(Fails(StatusCode::NOT_FOUND, Some("It is gone.")));
        let answer = ask(chain(fails), ok("x"), request).await;
        assert_eq!(answer.body.is_empty(), method == Method::HEAD);
        lengths.push(answer.headers[header::CONTENT_LENGTH].clone());
    }
    assert_eq!(lengths[0], lengths[1]);
}
