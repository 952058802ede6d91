//! Any bytes as lines of `X-Forwarded-For` and `Forwarded`: nothing panics, a stranger is believed
//! nothing, and whom a proxy of ours names last cannot be hidden by what stands before.
//!
//! `cargo +nightly fuzz run chain-forwarded`, in this folder.

#![no_main]

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use http::{HeaderMap, HeaderValue, Request, Response};
use libfuzzer_sys::fuzz_target;
use middleware_chain::{Body, Chain, ClientAddr, Exchange, Next, RequestBody};
use tower::{Layer, Service};

const NETWORKS: [&str; 2] = ["10.0.0.0/8", "2001:db8:ff::/48"];
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));
const CLIENT: &str = "192.0.2.7";

static BOTH: LazyLock<[(&str, String, Chain); 2]> = LazyLock::new(|| {
    let hook = ClientAddr::trusting(NETWORKS).expect("networks");
    [
        ("x-forwarded-for", CLIENT.to_owned(), chain(hook.clone())),
        (
            "forwarded",
            format!("for={CLIENT}"),
            chain(hook.forwarded()),
        ),
    ]
});

fuzz_target!(|bytes: &[u8]| {
    // A header for each line: what is not allowed in one never gets here.
    let lines = bytes.split(|byte| *byte == b'\n');
    let lines: Vec<_> = lines
        .filter_map(|line| HeaderValue::from_bytes(line).ok())
        .collect();
    for (header, last, chain) in &*BOTH {
        let mut headers = HeaderMap::new();
        for line in &lines {
            headers.append(*header, line.clone());
        }
        assert_eq!(client(chain, STRANGER, &headers), STRANGER.to_string());
        client(chain, PROXY, &headers);
        // A line of its own, as a proxy may add it.
        headers.append(*header, last.parse().expect("a value"));
        assert_eq!(client(chain, PROXY, &headers), CLIENT, "{headers:?}");
    }
    // Appended to the last line: so do most proxies.
    let (header, last, chain) = &BOTH[0];
    if let Some(line) = lines.last() {
        let whole = [line.as_bytes(), b", ", last.as_bytes()].concat();
        let whole = HeaderValue::from_bytes(&whole).expect("two values");
        let headers = HeaderMap::from_iter([(header.parse().expect("a name"), whole)]);
        assert_eq!(client(chain, PROXY, &headers), CLIENT, "{headers:?}");
    }
});

/// Answers with the address of the client.
fn chain(hook: ClientAddr) -> Chain {
    let show = async |cx: &mut Exchange, _next: Next<'_>| {
        let client = cx.client().expect("a peer").to_string();
        let answer = Response::builder().header("client", client);
        Ok(cx.answer(answer.body("")?))
    };
    let chain = Chain::builder().hook(hook).named("show", show);
    chain.build().expect("two names")
}

fn client(chain: &Chain, peer: IpAddr, headers: &HeaderMap) -> String {
    let mut request = Request::new(Body::empty());
    *request.headers_mut() = headers.clone();
    request.extensions_mut().insert(SocketAddr::new(peer, 1));
    let mut answering = pin!(chain.layer(Unasked).call(request));
    let Poll::Ready(answer) = answering
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    else {
        unreachable!("nothing waits");
    };
    let answer = answer.expect("a chain never fails");
    answer.headers()["client"]
        .to_str()
        .expect("ASCII")
        .to_owned()
}

/// The member before it answers.
#[derive(Clone)]
struct Unasked;

impl Service<Request<RequestBody>> for Unasked {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Ready<Result<Response<Body>, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
        ready(Ok(Response::new(Body::empty())))
    }
}
