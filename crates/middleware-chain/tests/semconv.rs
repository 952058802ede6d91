//! OpenTelemetry's semantic conventions for HTTP servers, as of version 1.44: its examples and rules,
//! and the span and the metric that come of each. A row that is missing is an attribute that nobody
//! gave a value: what is recorded beside these is a failure too.

#[path = "support/observers.rs"]
mod observers;
mod support;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use middleware_chain::{
    Body, CatchPanic, Chain, ClientAddr, Concurrency, Metrics, RequestBody, RouteSlot, RouteTag,
    Trace,
};
use observers::{Fields, Figures, Spans};
use tower::{Layer, ServiceExt};
use tracing_subscriber::layer::SubscriberExt;

const AGENT: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:72.0) Gecko/20100101 Firefox/72.0";

/// What becomes of the request.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The answer of the service, taken to its end.
    Status(u16),
    /// That, and the client is gone before its body.
    Dropped(u16),
    /// The client is gone before there is an answer.
    Cancelled,
    Panic,
    Shed,
}

use End::{Cancelled, Dropped, Panic, Shed, Status};

type Attributes = &'static [(&'static str, &'static str)];

struct Row {
    /// The document, and the part of it.
    source: &'static str,
    method: &'static str,
    uri: &'static str,
    version: Version,
    headers: Attributes,
    peer: Option<&'static str>,
    route: Option<&'static str>,
    end: End,
    /// The name of the span, and whether its status is `Error`.
    name: &'static str,
    is_error: bool,
    attributes: Attributes,
}

impl Row {
    /// A request that nothing is said of yet.
    const fn of(source: &'static str) -> Self {
        Self {
            source,
            method: "GET",
            uri: "/",
            version: Version::HTTP_11,
            headers: &[],
            peer: None,
            route: None,
            end: Status(200),
            name: "GET",
            is_error: false,
            attributes: &[],
        }
    }
}

/// The examples, whole.
fn examples() -> Vec<Row> {
    vec![
        Row {
            uri: "https://example.com:8080/webshop/articles/4?s=1&t=2",
            headers: &[("user-agent", AGENT), ("x-forwarded-for", "192.0.2.4")],
            peer: Some("192.0.2.5:8080"),
            route: Some("/webshop/articles/:article_id"),
            name: "GET /webshop/articles/:article_id",
            attributes: &[
                ("http.request.method", "GET"),
                ("network.protocol.version", "1.1"),
                ("url.path", "/webshop/articles/4"),
                ("url.query", "s=1&t=2"),
                ("server.address", "example.com"),
                ("server.port", "8080"),
                ("url.scheme", "https"),
                ("http.route", "/webshop/articles/:article_id"),
                ("http.response.status_code", "200"),
                ("client.address", "192.0.2.4"),
                ("user_agent.original", AGENT),
            ],
            ..Row::of("http-spans, HTTP client-server example")
        },
        Row {
            method: "POST",
            uri: "https://example.com:8080/uploads/4",
            route: Some("/uploads/:document_id"),
            end: Dropped(201),
            name: "POST /uploads/:document_id",
            is_error: true,
            attributes: &[
                ("http.request.method", "POST"),
                ("url.path", "/uploads/4"),
                ("url.scheme", "https"),
                ("http.route", "/uploads/:document_id"),
                ("http.response.status_code", "201"),
                // The example has the name of an exception of Python here: it is the library's to choose.
                ("error.type", "aborted"),
                ("server.address", "example.com"),
                ("server.port", "8080"),
                ("network.protocol.version", "1.1"),
            ],
            ..Row::of("http-spans, connection dropped before response body was sent")
        },
    ]
}

/// One row for each rule. The attributes are those that differ from a plain request's: see `expected`.
fn rules() -> Vec<Row> {
    [
        methods(),
        statuses(),
        ends(),
        targets(),
        servers(),
        agents(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn methods() -> Vec<Row> {
    let mut rows = Vec::new();
    // Note 1: the methods of RFC 9110, PATCH, and QUERY.
    for method in [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE",
    ] {
        rows.push(Row {
            method,
            name: method,
            // A tunnel that is refused is an answer like others.
            end: Status(if method == "CONNECT" { 403 } else { 200 }),
            ..Row::of("http-spans, note 1: a known method")
        });
    }
    for method in ["GeT", "ACL", "foo", "_OTHER"] {
        rows.push(Row {
            method,
            name: "HTTP",
            ..Row::of("http-spans, Name and notes 1 and 5: a method that is not known")
        });
    }
    rows
}

fn statuses() -> Vec<Row> {
    let mut rows = Vec::new();
    for status in [200, 204, 302, 304, 400, 404, 499] {
        rows.push(Row {
            end: Status(status),
            ..Row::of("http-spans, Status: unset below 500")
        });
    }
    for (status, error) in [(500, "500"), (503, "503"), (599, "599")] {
        rows.push(Row {
            end: Status(status),
            is_error: true,
            attributes: match error {
                "500" => &[("error.type", "500")],
                "503" => &[("error.type", "503")],
                _ => &[("error.type", "599")],
            },
            ..Row::of("http-spans, Status and note 4: an error from 500 on")
        });
    }
    rows
}

fn ends() -> Vec<Row> {
    vec![
        Row {
            end: Status(101),
            ..Row::of("http-spans, Status: unset for 1xx")
        },
        Row {
            end: Dropped(200),
            is_error: true,
            attributes: &[("error.type", "aborted")],
            ..Row::of("http-spans, Status: a response that is not sent fully")
        },
        Row {
            end: Cancelled,
            is_error: true,
            attributes: &[("error.type", "aborted")],
            ..Row::of("http-spans, note 4: an error before there is a status")
        },
        Row {
            end: Panic,
            is_error: true,
            attributes: &[("error.type", "panic")],
            ..Row::of("http-spans, note 4: what was thrown")
        },
        Row {
            end: Shed,
            is_error: true,
            attributes: &[("error.type", "shed")],
            ..Row::of("http-spans, note 4: an identifier of the component")
        },
    ]
}

fn targets() -> Vec<Row> {
    let mut rows = vec![
        Row {
            uri: "/search?q=OpenTelemetry",
            attributes: &[("url.path", "/search"), ("url.query", "q=OpenTelemetry")],
            ..Row::of("http-spans, url.path and url.query")
        },
        Row {
            uri: "/?q=OpenTelemetry&sig=0f",
            attributes: &[("url.query", "q=OpenTelemetry&sig=REDACTED")],
            ..Row::of("http-spans, note 10: a value is redacted and its key is kept")
        },
        Row {
            uri: "/?X-Amz-Signature=1&X-Amz-Credential=2&X-Amz-Security-Token=3&AWSAccessKeyId=4\
                &Signature=5&X-Goog-Signature=6&token=7&a&=&SIG=8",
            attributes: &[(
                "url.query",
                "X-Amz-Signature=REDACTED&X-Amz-Credential=REDACTED&X-Amz-Security-Token=REDACTED\
                &AWSAccessKeyId=REDACTED&Signature=REDACTED&X-Goog-Signature=REDACTED\
                &token=REDACTED&a&=&SIG=REDACTED",
            )],
            ..Row::of("http-spans, note 10: the keys, and more than by case")
        },
        Row {
            route: Some("/users/:userID?"),
            name: "GET /users/:userID?",
            attributes: &[("http.route", "/users/:userID?")],
            ..Row::of("http-spans, http.route")
        },
        Row {
            peer: Some("83.164.160.102:65123"),
            attributes: &[("client.address", "83.164.160.102")],
            ..Row::of("http-spans, client.address: the immediate peer")
        },
        Row {
            peer: Some("192.0.2.5:80"),
            headers: &[("x-forwarded-for", "83.164.160.102")],
            attributes: &[("client.address", "83.164.160.102")],
            ..Row::of("http-spans, note 11: behind all proxies")
        },
    ];
    for (version, attributes) in [
        (Version::HTTP_10, &[("network.protocol.version", "1.0")]),
        (Version::HTTP_11, &[("network.protocol.version", "1.1")]),
        (Version::HTTP_2, &[("network.protocol.version", "2")]),
        (Version::HTTP_3, &[("network.protocol.version", "3")]),
    ] {
        rows.push(Row {
            version,
            attributes,
            ..Row::of("http-spans, network.protocol.version")
        });
    }
    rows.push(Row {
        version: Version::HTTP_09,
        attributes: &[("network.protocol.version", "")],
        ..Row::of("http-spans, note 12: a version that is not known")
    });
    rows
}

fn servers() -> Vec<Row> {
    let mut rows = Vec::new();
    let servers: [(&str, Attributes, Attributes); 7] = [
        (
            "/",
            &[("host", "example.com")],
            &[("server.address", "example.com")],
        ),
        (
            "/",
            &[("host", "10.1.2.80:80")],
            &[("server.address", "10.1.2.80"), ("server.port", "80")],
        ),
        (
            "/",
            &[("host", "[2001:db8::7]")],
            &[("server.address", "2001:db8::7")],
        ),
        (
            "/",
            &[("host", "[2001:db8::7]:443")],
            &[("server.address", "2001:db8::7"), ("server.port", "443")],
        ),
        // `:authority` comes before `Host`.
        (
            "http://example.com:8080/",
            &[("host", "other.example")],
            &[("server.address", "example.com"), ("server.port", "8080")],
        ),
        ("/", &[("host", ":80")], &[]),
        ("/", &[("host", "a:b")], &[("server.address", "a")]),
    ];
    for (uri, headers, attributes) in servers {
        rows.push(Row {
            uri,
            headers,
            attributes,
            ..Row::of("http-spans, setting server.address and server.port")
        });
    }
    rows
}

fn agents() -> Vec<Row> {
    let mut rows = Vec::new();
    let agents: [(Attributes, Attributes); 3] = [
        (
            &[("user-agent", "CERN-LineMode/2.15 libwww/2.17b3")],
            &[("user_agent.original", "CERN-LineMode/2.15 libwww/2.17b3")],
        ),
        (
            &[(
                "user-agent",
                "Mozilla/5.0 (iPhone; CPU iPhone OS 14_7_1 like Mac OS X) AppleWebKit/605.1.15 \
                (KHTML, like Gecko) Version/14.1.2 Mobile/15E148 Safari/604.1",
            )],
            &[(
                "user_agent.original",
                "Mozilla/5.0 (iPhone; CPU iPhone OS 14_7_1 like Mac OS X) AppleWebKit/605.1.15 \
                (KHTML, like Gecko) Version/14.1.2 Mobile/15E148 Safari/604.1",
            )],
        ),
        (
            &[("user-agent", "YourApp/1.0.0 grpc-java-okhttp/1.27.2")],
            &[(
                "user_agent.original",
                "YourApp/1.0.0 grpc-java-okhttp/1.27.2",
            )],
        ),
    ];
    for (headers, attributes) in agents {
        rows.push(Row {
            headers,
            attributes,
            ..Row::of("http-spans, user_agent.original")
        });
    }
    rows
}

/// Of the metric: the table of attributes of `http.server.request.duration`, without those that are
/// opt-in, because a client can make them up.
const OF_THE_METRIC: [&str; 6] = [
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "network.protocol.version",
    "url.scheme",
];

/// All attributes of a row: of an example as they stand, of a rule in place of a plain request's.
fn expected(row: &Row, is_whole: bool) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut set = |key: &str, value: &str| {
        if value.is_empty() {
            all.remove(key);
        } else {
            all.insert(key.to_owned(), value.to_owned());
        }
    };
    if !is_whole {
        set("url.scheme", "http");
        set("url.path", "/");
        set("network.protocol.version", "1.1");
        if row.name == "HTTP" {
            set("http.request.method", "_OTHER");
            set("http.request.method_original", row.method);
        } else {
            set("http.request.method", row.method);
        }
        match row.end {
            Status(status) | Dropped(status) => {
                set("http.response.status_code", &status.to_string());
            }
            Panic => set("http.response.status_code", "500"),
            Shed => set("http.response.status_code", "503"),
            Cancelled => {}
        }
    }
    for (key, value) in row.attributes {
        set(key, value);
    }
    all
}

/// What a span or a metric has, without what is about the span itself.
fn seen(fields: &Fields) -> BTreeMap<String, String> {
    let is_attribute = |key: &&String| !key.starts_with("otel.") && !key.ends_with("_id");
    let attributes = fields.iter().filter(|(key, _)| is_attribute(key));
    attributes
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

fn chain(end: End) -> Chain {
    let trace = Trace::new().with_path().with_query().with_client();
    let slots = usize::from(!matches!(end, Shed));
    Chain::builder()
        .hook(RouteTag::new(|_| None))
        .hook(ClientAddr::trusting(["192.0.2.5/32"]).expect("a network"))
        .with(trace.with_user_agent())
        .hook(Metrics::new())
        .with(CatchPanic::new())
        .with(Concurrency::limit(slots))
        .build()
        .expect("a chain")
}

async fn handle(
    request: Request<RequestBody>,
    route: Option<&'static str>,
    end: End,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(route) = route {
        let slot: Option<&RouteSlot> = request.extensions().get();
        slot.expect("left by the tag").set(route);
    }
    let mut response = Response::new(Full::from("x"));
    match end {
        Status(status) | Dropped(status) => {
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        }
        Cancelled => std::future::pending().await,
        Panic => panic!("in the handler"),
        Shed => unreachable!("there is no place for it"),
    }
    Ok(response)
}

async fn ask(row: &Row) {
    let request = Request::builder().method(row.method).uri(row.uri);
    let request = request.version(row.version);
    let request = row.headers.iter().fold(request, |request, (key, value)| {
        request.header(*key, *value)
    });
    let mut request = request.body(Body::empty()).expect("well formed");
    if let Some(peer) = row.peer {
        let peer: SocketAddr = peer.parse().expect("an address");
        request.extensions_mut().insert(peer);
    }
    let (route, end) = (row.route, row.end);
    let service = tower::service_fn(move |request| handle(request, route, end));
    let mut asking = Box::pin(chain(end).layer(service).oneshot(request));
    if matches!(end, Cancelled) {
        let mut task = Context::from_waker(Waker::noop());
        assert!(asking.as_mut().poll(&mut task).is_pending());
        return;
    }
    let answer = asking.await.expect("never fails");
    if !matches!(end, Dropped(_)) {
        answer.into_body().collect().await.expect("a body");
    }
}

#[test]
fn each_example_and_rule_of_the_conventions_holds() {
    let (spans, figures) = (Spans::default(), Figures::default());
    let subscriber = Arc::new(tracing_subscriber::registry().with(spans.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let (examples, rules) = (examples(), rules());
    let rows = examples.iter().map(|row| (row, true));
    let rows = rows.chain(rules.iter().map(|row| (row, false)));
    for (row, is_whole) in rows {
        metrics::with_local_recorder(&figures, || {
            tracing::subscriber::with_default(Arc::clone(&subscriber), || {
                runtime.block_on(ask(row));
            });
        });
        let what = format!("{}: {} {}", row.source, row.method, row.uri);
        let closed = spans.take_closed();
        assert_eq!(closed.len(), 1, "{what}");
        let span = &closed[0];
        let mut expected = expected(row, is_whole);
        assert_eq!(seen(span), expected, "the span of {what}");
        assert_eq!(span["otel.name"], row.name, "{what}");
        assert_eq!(span["otel.kind"], "server", "{what}");
        let status = span.get("otel.status_code").map(String::as_str);
        assert_eq!(status, row.is_error.then_some("ERROR"), "{what}");

        expected.retain(|key, _| OF_THE_METRIC.contains(&key.as_str()));
        let values = figures.take("http.server.request.duration");
        assert_eq!(values.len(), 1, "{what}");
        assert_eq!(seen(&values[0]), expected, "the metric of {what}");
    }
}
