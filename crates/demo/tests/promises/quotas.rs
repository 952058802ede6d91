//! How many requests a client may make, counted in memory.

use clap::Parser;
use demo::{App, Args};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::support::Raw;

/// Serves with these arguments while `promise` is looked at.
async fn with_app(args: &[&str], promise: impl AsyncFnOnce(&mut Client)) {
    let all = ["demo", "--memory", "--port", "0"].iter().chain(args);
    let app = App::start(&Args::parse_from(all))
        .await
        .expect("free ports");
    let stream = TcpStream::connect(app.addr()).await.expect("listening");
    let stop = CancellationToken::new();
    let looking = async {
        promise(&mut Client(Raw { stream })).await;
        stop.cancel();
    };
    tokio::join!(app.run(stop.clone()), looking);
}

struct Client(Raw);

impl Client {
    /// The answer to a request with one more header, in lower case.
    async fn get(&mut self, path: &str, header: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\n{header}\r\n\r\n");
        self.0.send(request).await;
        self.0.response().await.to_lowercase()
    }
}

fn is_denied(answer: &str) -> bool {
    answer.starts_with("http/1.1 429 ")
}

#[tokio::test]
async fn a_user_who_asks_too_often_is_told_when_to_come_back() {
    with_app(&["--per-user", "1"], async |client| {
        let answer = client.get("/users", "x-user: ada").await;
        assert!(!is_denied(&answer), "{answer}");
        assert!(answer.contains("\"user\";r=0;t="), "{answer}");
        let answer = client.get("/users", "x-user: ada").await;
        assert!(is_denied(&answer), "{answer}");
        for part in [
            "content-type: application/problem+json",
            "retry-after: ",
            "#quota-exceeded",
            "\"violated-policies\":[\"user\"]",
        ] {
            assert!(answer.contains(part), "{part}: {answer}");
        }
        assert!(!is_denied(&client.get("/users", "x-user: bob").await));
        assert!(!is_denied(&client.get("/users", "accept: */*").await));
    })
    .await;
}

#[tokio::test]
async fn an_address_that_asks_too_often_can_still_be_looked_after() {
    with_app(&["--per-address", "1"], async |client| {
        assert!(!is_denied(&client.get("/users", "accept: */*").await));
        for header in ["accept: */*", "x-user: bob", "x-forwarded-for: 192.0.2.1"] {
            assert!(is_denied(&client.get("/users", header).await), "{header}");
        }
        for path in ["/health/live", "/health/ready", "/metrics"] {
            let answer = client.get(path, "accept: */*").await;
            assert!(answer.starts_with("http/1.1 200 "), "{path}: {answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_a_limit_of_its_own() {
    let args = ["--per-address", "1", "--trusted-proxy", "127.0.0.0/8"];
    with_app(&args, async |client| {
        for address in ["192.0.2.1", "192.0.2.2"] {
            let header = format!("x-forwarded-for: 198.51.100.9, {address}");
            assert!(!is_denied(&client.get("/users", &header).await));
            assert!(is_denied(&client.get("/users", &header).await));
        }
    })
    .await;
}
