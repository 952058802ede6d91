//! Whose request it is, when it has come through proxies.

use http::{HeaderMap, HeaderValue};
use redis_ratelimit::TrustedProxies;

const NETS: [&str; 3] = ["10.0.0.0/8", "192.168.1.1", "2001:db8:ff::/48"];

fn headers(name: &'static str, lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(
            name,
            HeaderValue::from_bytes(line.as_bytes()).expect("a value"),
        );
    }
    headers
}

#[test]
fn x_forwarded_for_is_read_from_its_end_and_only_as_far_as_it_is_trusted() {
    let proxies = TrustedProxies::x_forwarded_for(NETS).expect("networks");
    for (peer, lines, client) in [
        ("203.0.113.9", &[][..], "203.0.113.9"),
        // A stranger may write what it likes.
        ("203.0.113.9", &["1.1.1.1"], "203.0.113.9"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", &["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", &["6.6.6.6,1.1.1.1,10.9.9.9"], "1.1.1.1"),
        ("10.0.0.1", &["6.6.6.6", "1.1.1.1, 192.168.1.1"], "1.1.1.1"),
        ("10.0.0.1", &["6.6.6.6, 1.1.1.1", "10.9.9.9"], "1.1.1.1"),
        ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("192.168.1.2", &["1.1.1.1"], "192.168.1.2"),
        ("::ffff:10.0.0.1", &["::ffff:1.1.1.1"], "1.1.1.1"),
        ("2001:db8:ff::1", &["2001:db8:1::7"], "2001:db8:1::7"),
        ("10.0.0.1", &["[2001:db8:1::7]"], "2001:db8:1::7"),
        ("10.0.0.1", &["[2001:db8:1::7]:443"], "2001:db8:1::7"),
        ("10.0.0.1", &["1.1.1.1:443"], "1.1.1.1"),
        ("10.0.0.1", &["  1.1.1.1  "], "1.1.1.1"),
        // A quote means nothing here.
        ("10.0.0.1", &["\"6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        // What is no address ends the walk at the last proxy that is known.
        ("10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["1.1.1.1, unknown, 10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", &["1.1.1.1,"], "10.0.0.1"),
        ("10.0.0.1", &[""], "10.0.0.1"),
        ("10.0.0.1", &["1.1.1.1, 999.1.1.1"], "10.0.0.1"),
        ("10.0.0.1", &["1.1.1.1, grüße"], "10.0.0.1"),
        ("10.0.0.1", &["1.1.1.1 2.2.2.2"], "10.0.0.1"),
    ] {
        let peer = peer.parse().expect("an address");
        let found = proxies.client(peer, &headers("x-forwarded-for", lines));
        assert_eq!(found.to_string(), client, "{peer}: {lines:?}");
        let none = TrustedProxies::none().client(peer, &headers("x-forwarded-for", lines));
        assert_eq!(none, peer.to_canonical(), "{peer}: {lines:?}");
    }
}

/// The rows of a table that the crates share which read this header: an address, and the lines.
fn vectors() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let table = include_str!("../../../testkit/vectors/forwarded.txt");
    let rows = table.lines().filter(|row| !row.starts_with('#'));
    rows.map(|row| {
        let (client, lines) = row.split_once('\t').expect("a tab");
        (client, lines.split('\t').collect())
    })
}

#[test]
fn forwarded_is_read_as_rfc_7239_writes_it() {
    let proxies = TrustedProxies::forwarded(NETS).expect("networks");
    let mut rows = 0;
    for (client, lines) in vectors() {
        let peer = "10.0.0.1".parse().expect("an address");
        let found = proxies.client(peer, &headers("forwarded", &lines));
        assert_eq!(found.to_string(), client, "{lines:?}");
        rows += 1;
        // The other header is the client's to write.
        let other = proxies.client(peer, &headers("x-forwarded-for", &["6.6.6.6"]));
        assert_eq!(other, peer);
    }
    assert!(rows > 10, "{rows} rows");
}

#[test]
fn whoever_has_an_ipv6_network_has_one_limit() {
    let proxies = TrustedProxies::none();
    for (peer, key) in [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
    ] {
        let peer = peer.parse().expect("an address");
        assert_eq!(proxies.client_key(peer, &HeaderMap::new()), key);
    }
}

#[test]
fn a_network_of_ipv4_in_the_form_of_ipv6_is_the_same_network() {
    let proxies = TrustedProxies::x_forwarded_for(["::ffff:10.0.0.0/104"]).expect("a network");
    let peer = "10.0.0.1".parse().expect("an address");
    let found = proxies.client(peer, &headers("x-forwarded-for", &["192.0.2.7"]));
    assert_eq!(found.to_string(), "192.0.2.7");
}

#[test]
fn what_is_no_network_is_named() {
    for net in ["", "10.0.0.0/33", "localhost", "10.0.0.0/8,11.0.0.0/8"] {
        let error = TrustedProxies::x_forwarded_for([net]).expect_err(net);
        assert!(error.to_string().contains(&format!("{net:?}")), "{error}");
        assert!(TrustedProxies::forwarded(["::1", net]).is_err());
    }
}
