//! What a span tells of what a client has written: no secrets, and no more of it than it takes.

#[path = "support/observers.rs"]
mod observers;
mod support;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::Request;
use middleware_chain::{Body, Chain, Trace};
use observers::{Fields, Spans};
use tower::{Layer, ServiceExt};
use tracing_subscriber::layer::SubscriberExt;

/// The fields of the span of one request.
fn span_of(request: Request<Body>) -> Fields {
    let spans = Spans::default();
    let trace = Trace::new().with_path().with_query().with_user_agent();
    let service = Chain::builder().with(trace).build().expect("a chain");
    let service = service.layer(support::ok("x"));
    let subscriber = tracing_subscriber::registry().with(spans.clone());
    tracing::subscriber::with_default(subscriber, || {
        let response = pin!(service.oneshot(request)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(response)) = response else {
            unreachable!("the service is ready");
        };
        drop(response);
    });
    spans.take_closed().remove(0)
}

fn asking(uri: &str) -> Request<Body> {
    let request = Request::get(uri).body(Body::empty());
    request.expect("well formed")
}

#[test]
fn secrets_are_redacted() {
    for (query, told) in [
        ("password=hunter2", "password=REDACTED"),
        ("Password=hunter2&a=b", "Password=REDACTED&a=b"),
        ("%70assword=hunter2", "%70assword=REDACTED"),
        ("user[password]=hunter2", "user[password]=REDACTED"),
        ("user%5Bpassword%5D=hunter2", "user%5Bpassword%5D=REDACTED"),
        ("user.pwd=hunter2", "user.pwd=REDACTED"),
        ("+token=hunter2", "+token=REDACTED"),
        ("a=1;token=hunter2", "a=1;token=REDACTED"),
        // What a value is depends on who reads it.
        ("token=hunt;hunter2", "token=REDACTED"),
        ("token=hunt;a=hunter2&b=c", "token=REDACTED&b=c"),
        ("client_secret=hunter2", "client_secret=REDACTED"),
        ("client_assertion=hunter2", "client_assertion=REDACTED"),
        ("auth_token=hunter2", "auth_token=REDACTED"),
        ("access-token=hunter2", "access-token=REDACTED"),
        ("accessToken=hunter2", "accessToken=REDACTED"),
        ("X-API-Key=hunter2", "X-API-Key=REDACTED"),
        ("jwt=hunter2&passwd=hunter2", "jwt=REDACTED&passwd=REDACTED"),
        ("session=hunter2", "session=REDACTED"),
        ("authorization=hunter2", "authorization=REDACTED"),
        // These are none.
        (
            "keyword=a&tokens=3&a=password",
            "keyword=a&tokens=3&a=password",
        ),
        ("%zz=%&%7=%", "%zz=%&%7=%"),
    ] {
        let span = span_of(asking(&format!("/?{query}")));
        assert_eq!(span["url.query"], told);
    }
}

#[test]
fn what_a_client_writes_is_cut_off() {
    const MAX: usize = 256;
    let long = "a".repeat(MAX + 1);
    let mut request = asking(&format!("http://{}/{long}?{long}", &long[..MAX - 1]));
    let agent = long.parse().expect("a value");
    request.headers_mut().insert("user-agent", agent);
    *request.method_mut() = long[..65].parse().expect("a method");
    let span = span_of(request);
    assert_eq!(span["url.path"], format!("/{}", &long[..MAX - 1]));
    assert_eq!(span["url.query"], long[..MAX]);
    assert_eq!(span["user_agent.original"], long[..MAX]);
    assert_eq!(span["http.request.method_original"], long[..64]);
    assert_eq!(span["server.address"], long[..MAX - 1]);

    // Longer than a name can be; and a character is not cut in two, nor is what stands for a value.
    let span = span_of(asking(&format!("http://{}/", &long[..MAX])));
    assert_eq!(span.get("server.address"), None);
    let span = span_of(asking(&format!("/{}\u{e9}", &long[..MAX - 2])));
    assert_eq!(span["url.path"], format!("/{}", &long[..MAX - 2]));
    let secrets = "key=1&".repeat(MAX);
    let query = &span_of(asking(&format!("/?{secrets}")))["url.query"];
    assert_eq!(*query, "key=REDACTED&".repeat(MAX)[..MAX]);
}

#[test]
fn a_server_is_named_without_user_information() {
    let span = span_of(asking("http://lovelace:secret@a.example:80/"));
    assert_eq!(span["server.address"], "a.example");
    assert_eq!(span["server.port"], "80");
    let text = format!("{span:?}");
    assert!(
        !text.contains("lovelace") && !text.contains("secret"),
        "{text}"
    );
}
