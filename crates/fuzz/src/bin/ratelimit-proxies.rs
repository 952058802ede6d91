//! Any bytes as `X-Forwarded-For` and `Forwarded`: nothing panics, a stranger is believed nothing,
//! and whom a proxy of ours names last can't be hidden by what stands before.
//!
//! `cargo +nightly fuzz run ratelimit-proxies`, in this folder.

#![no_main]

use std::net::IpAddr;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use redis_ratelimit::TrustedProxies;

const NETS: [&str; 2] = ["10.0.0.0/8", "2001:db8:ff::/48"];
const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

static BOTH: LazyLock<[(&str, &str, TrustedProxies); 2]> = LazyLock::new(|| {
    [
        (
            "x-forwarded-for",
            "192.0.2.7",
            TrustedProxies::x_forwarded_for(NETS).expect("networks"),
        ),
        (
            "forwarded",
            "for=192.0.2.7",
            TrustedProxies::forwarded(NETS).expect("networks"),
        ),
    ]
});

fuzz_target!(|bytes: &[u8]| {
    // A line for each line, in two headers: what is not allowed in one never gets here.
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines: Vec<_> = lines
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect();
    for (header, last, proxies) in &*BOTH {
        let mut headers = HeaderMap::new();
        for line in &lines {
            headers.append(*header, line.clone());
        }
        assert_eq!(proxies.client(STRANGER, &headers), STRANGER);
        let _ = proxies.client(PROXY, &headers);
        // A line of its own, as a proxy may add it.
        headers.append(*header, HeaderValue::from_static(last));
        let client = proxies.client(PROXY, &headers);
        assert_eq!(client.to_string(), "192.0.2.7", "{header}: {headers:?}");
    }
    // Appended to the last line: so do most proxies.
    let (header, last, proxies) = &BOTH[0];
    if let Some(line) = lines.last() {
        let whole = [line.as_bytes(), b", ", last.as_bytes()].concat();
        let mut headers = HeaderMap::new();
        headers.append(
            *header,
            HeaderValue::from_bytes(&whole).expect("two values"),
        );
        assert_eq!(
            proxies.client(PROXY, &headers).to_string(),
            "192.0.2.7",
            "{whole:?}"
        );
    }
});
