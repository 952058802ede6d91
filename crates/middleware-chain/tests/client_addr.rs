//! Whose request it is, when it has come through proxies.

mod support;

use std::net::SocketAddr;

use http::{HeaderValue, Response};
use middleware_chain::{Chain, ClientAddr, Exchange, Next};
use tower::{Layer, ServiceExt};

use support::{get, ok, text};

const NETWORKS: [&str; 3] = ["10.0.0.0/8", "2001:db8:ff::/48", "::ffff:192.168.0.0/112"];
const PROXY: &str = "10.0.0.1:1";

async fn client(hook: &ClientAddr, peer: &str, header: &'static str, lines: &[&str]) -> String {
    let chain = Chain::builder()
        .hook(hook.clone())
        .named("show", async |cx: &mut Exchange, _next: Next<'_>| {
            let client = cx.client().map(|it| it.to_string()).unwrap_or_default();
            Ok(cx.answer(Response::new(client)))
        })
        .build()
        .expect("a chain");
    let mut request = get("/");
    for line in lines {
        let value = HeaderValue::from_bytes(line.as_bytes()).expect("a value");
        request.headers_mut().append(header, value);
    }
    let peer: SocketAddr = peer.parse().expect("an address");
    request.extensions_mut().insert(peer);
    let response = chain.layer(ok("x")).oneshot(request).await;
    text(response.expect("never fails")).await
}

#[tokio::test]
async fn the_client_is_the_rightmost_hop_that_is_not_trusted() {
    let hook = ClientAddr::trusting(NETWORKS).expect("networks");
    let direct = ClientAddr::direct();
    for (peer, lines, expected) in [
        ("192.0.2.1:1", &[][..], "192.0.2.1"),
        // A stranger may write what it likes.
        ("192.0.2.1:1", &["198.51.100.7"], "192.0.2.1"),
        (PROXY, &["198.51.100.7"], "198.51.100.7"),
        (PROXY, &["evil, 198.51.100.7, 10.9.9.9"], "198.51.100.7"),
        (PROXY, &["6.6.6.6", "1.1.1.1, 192.168.1.1"], "1.1.1.1"),
        (PROXY, &["6.6.6.6, 1.1.1.1", "10.9.9.9"], "1.1.1.1"),
        (PROXY, &["10.1.1.1"], "10.1.1.1"),
        ("[::ffff:10.0.0.1]:1", &["::ffff:1.1.1.1"], "1.1.1.1"),
        ("[2001:db8:ff::1]:1", &["[2001:db8::1]:9"], "2001:db8::1"),
        (PROXY, &["[2001:db8::1]"], "2001:db8::1"),
        (PROXY, &["  1.1.1.1:443  "], "1.1.1.1"),
        // A quote means nothing here.
        (PROXY, &["\"6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        // What is no address ends the walk at the last proxy that is known.
        (PROXY, &["198.51.100.7, nonsense"], "10.0.0.1"),
        (PROXY, &["1.1.1.1, unknown, 10.9.9.9"], "10.9.9.9"),
        (PROXY, &["1.1.1.1,"], "10.0.0.1"),
        (PROXY, &[""], "10.0.0.1"),
        (PROXY, &["1.1.1.1, grüße"], "10.0.0.1"),
        (PROXY, &["1.1.1.1 2.2.2.2"], "10.0.0.1"),
    ] {
        let found = client(&hook, peer, "x-forwarded-for", lines).await;
        assert_eq!(found, expected, "{peer}: {lines:?}");
        let peer_itself = client(&direct, peer, "x-forwarded-for", &[]).await;
        let found = client(&direct, peer, "x-forwarded-for", lines).await;
        assert_eq!(found, peer_itself, "{peer}: {lines:?}");
    }
}

/// The rows of a table that the crates share which read this header: an address, and the lines.
fn vectors() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let table = include_str!("../../testkit/vectors/forwarded.txt");
    let rows = table.lines().filter(|row| !row.starts_with('#'));
    rows.map(|row| {
        let (client, lines) = row.split_once('\t').expect("a tab");
        (client, lines.split('\t').collect())
    })
}

#[tokio::test]
async fn forwarded_is_read_as_rfc_7239_writes_it() {
    let hook = ClientAddr::trusting(NETWORKS)
        .expect("networks")
        .forwarded();
    let mut rows = 0;
    for (expected, lines) in vectors() {
        let found = client(&hook, PROXY, "forwarded", &lines).await;
        assert_eq!(found, expected, "{lines:?}");
        rows += 1;
    }
    assert!(rows > 10, "{rows} rows");
    // The other header is the client's to write.
    let found = client(&hook, PROXY, "x-forwarded-for", &["6.6.6.6"]).await;
    assert_eq!(found, "10.0.0.1");
}

#[test]
fn what_is_no_network_is_named() {
    for network in [
        "",
        "10.0.0.1",
        "10.0.0.0/33",
        "::/129",
        "a/8",
        "10.0.0.0/-1",
    ] {
        let error = ClientAddr::trusting(["::1/128", network]).expect_err(network);
        assert!(
            error.to_string().contains(&format!("{network:?}")),
            "{error}"
        );
    }
}
