//! The cases of the W3C's own suite for Trace Context, the strict ones and those of level 2 too:
//! `test/test.py` of `w3c/trace-context` as of June 2026, by the names that they have there. Each is
//! asked of a service behind `Trace` that calls others.

mod support;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::Full;
use middleware_chain::{Chain, Trace, TraceContext};
use tower::{Layer, ServiceExt};

use support::service;

const ID: &str = "12345678901234567890123456789012";
const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";
const UNSAMPLED: &str = "00-12345678901234567890123456789012-1234567890123456-00";

type Headers = Vec<(&'static str, String)>;

/// One request of a case, and what its calls of others carry: the trace of the request or a new one,
/// and this `tracestate`.
struct Step {
    headers: Headers,
    goes_on: bool,
    state: Option<String>,
}

fn step(headers: &[(&'static str, &str)], goes_on: bool, state: Option<&str>) -> Step {
    let headers = headers
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    Step {
        headers: headers.collect(),
        goes_on,
        state: state.map(str::to_owned),
    }
}

/// Another `traceparent` that is to be taken for none.
fn refused(parents: &[&str]) -> Vec<Step> {
    let steps = parents
        .iter()
        .map(|it| step(&[("traceparent", it)], false, None));
    steps.collect()
}

fn accepted(parents: &[&str]) -> Vec<Step> {
    let steps = parents
        .iter()
        .map(|it| step(&[("traceparent", it)], true, None));
    steps.collect()
}

/// A good `traceparent` with these lines of `tracestate`, of which this is to be left.
fn state(lines: &[&str], left: Option<&str>) -> Step {
    let mut headers = vec![("traceparent", UNSAMPLED)];
    headers.extend(lines.iter().map(|line| ("tracestate", *line)));
    step(&headers, true, left)
}

fn dropped(lists: &[&[&str]]) -> Vec<Step> {
    lists.iter().map(|lines| state(lines, None)).collect()
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn parents() -> Vec<(&'static str, Vec<Step>)> {
    vec![
        (
            "both_traceparent_and_tracestate_missing",
            vec![step(&[], false, None)],
        ),
        (
            "traceparent_included_tracestate_missing",
            accepted(&[PARENT]),
        ),
        (
            "traceparent_duplicated",
            vec![step(
                &[
                    (
                        "traceparent",
                        "00-12345678901234567890123456789011-1234567890123456-01",
                    ),
                    ("traceparent", PARENT),
                ],
                false,
                None,
            )],
        ),
        (
            "traceparent_header_name",
            vec![
                step(&[("trace-parent", PARENT)], false, None),
                step(&[("trace.parent", PARENT)], false, None),
            ],
        ),
        (
            "traceparent_header_name_valid_casing",
            vec![
                step(&[("TraceParent", PARENT)], true, None),
                step(&[("TrAcEpArEnT", PARENT)], true, None),
                step(&[("TRACEPARENT", PARENT)], true, None),
            ],
        ),
        (
            "traceparent_version_0x00",
            refused(&[
                "00-12345678901234567890123456789012-1234567890123456-01.",
                "00-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
            ]),
        ),
        ("traceparent_version_0xcc", {
            let mut steps = accepted(&[
                "cc-12345678901234567890123456789012-1234567890123456-01",
                "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
            ]);
            steps.extend(refused(&[
                "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like",
            ]));
            steps
        }),
        (
            "traceparent_version_0xff",
            refused(&["ff-12345678901234567890123456789012-1234567890123456-01"]),
        ),
        (
            "traceparent_version_illegal_characters",
            refused(&[
                ".0-12345678901234567890123456789012-1234567890123456-01",
                "0.-12345678901234567890123456789012-1234567890123456-01",
            ]),
        ),
        (
            "traceparent_version_too_long",
            refused(&[
                "000-12345678901234567890123456789012-1234567890123456-01",
                "0000-12345678901234567890123456789012-1234567890123456-01",
            ]),
        ),
        (
            "traceparent_version_too_short",
            refused(&["0-12345678901234567890123456789012-1234567890123456-01"]),
        ),
        (
            "traceparent_trace_id_all_zero",
            refused(&["00-00000000000000000000000000000000-1234567890123456-01"]),
        ),
        (
            "traceparent_trace_id_illegal_characters",
            refused(&[
                "00-.2345678901234567890123456789012-1234567890123456-01",
                "00-1234567890123456789012345678901.-1234567890123456-01",
            ]),
        ),
        (
            "traceparent_trace_id_too_long",
            refused(&["00-123456789012345678901234567890123-1234567890123456-01"]),
        ),
        (
            "traceparent_trace_id_too_short",
            refused(&["00-1234567890123456789012345678901-1234567890123456-01"]),
        ),
        (
            "traceparent_parent_id_all_zero",
            refused(&["00-12345678901234567890123456789012-0000000000000000-01"]),
        ),
        (
            "traceparent_parent_id_illegal_characters",
            refused(&[
                "00-12345678901234567890123456789012-.234567890123456-01",
                "00-12345678901234567890123456789012-123456789012345.-01",
            ]),
        ),
        (
            "traceparent_parent_id_too_long",
            refused(&["00-12345678901234567890123456789012-12345678901234567-01"]),
        ),
        (
            "traceparent_parent_id_too_short",
            refused(&["00-12345678901234567890123456789012-123456789012345-01"]),
        ),
        (
            "traceparent_trace_flags_illegal_characters",
            refused(&[
                "00-12345678901234567890123456789012-1234567890123456-.0",
                "00-12345678901234567890123456789012-1234567890123456-0.",
            ]),
        ),
        (
            "traceparent_trace_flags_too_long",
            refused(&["00-12345678901234567890123456789012-1234567890123456-001"]),
        ),
        (
            "traceparent_trace_flags_too_short",
            refused(&["00-12345678901234567890123456789012-1234567890123456-1"]),
        ),
        (
            "traceparent_ows_handling",
            accepted(&[
                &format!(" {PARENT}"),
                &format!("\t{PARENT}"),
                &format!("{PARENT} "),
                &format!("{PARENT}\t"),
                &format!("\t {PARENT} \t"),
            ]),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn states() -> Vec<(&'static str, Vec<Step>)> {
    let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let value: String = (' '..='~').filter(|it| !",=".contains(*it)).collect();
    let all = [
        format!("{key}={value}"),
        format!("{key}@a-z0-9_-*/={value}"),
    ];
    let member = |nth: usize| format!("bar{nth:02}={nth:02}");
    let members =
        |range: std::ops::RangeInclusive<usize>| range.map(member).collect::<Vec<_>>().join(",");
    let lines = |last| {
        [
            members(1..=10),
            members(11..=20),
            members(21..=30),
            members(31..=last),
        ]
    };
    let with_key = |key: String, is_kept: bool| {
        let line = format!("{key}=1");
        let left = is_kept.then(|| format!("foo=1,{line}"));
        state(&["foo=1", &line], left.as_deref())
    };
    vec![
        (
            "tracestate_included_traceparent_missing",
            vec![
                step(&[("tracestate", "foo=1")], false, None),
                step(&[("tracestate", "foo=1,bar=2")], false, None),
            ],
        ),
        (
            "tracestate_included_traceparent_included",
            vec![state(&["foo=1,bar=2"], Some("foo=1,bar=2"))],
        ),
        (
            "tracestate_header_name",
            vec![
                step(
                    &[("traceparent", UNSAMPLED), ("trace-state", "foo=1")],
                    true,
                    None,
                ),
                step(
                    &[("traceparent", UNSAMPLED), ("trace.state", "foo=1")],
                    true,
                    None,
                ),
            ],
        ),
        (
            "tracestate_header_name_valid_casing",
            vec![
                step(
                    &[("traceparent", UNSAMPLED), ("TraceState", "foo=1")],
                    true,
                    Some("foo=1"),
                ),
                step(
                    &[("traceparent", UNSAMPLED), ("TrAcEsTaTe", "foo=1")],
                    true,
                    Some("foo=1"),
                ),
                step(
                    &[("traceparent", UNSAMPLED), ("TRACESTATE", "foo=1")],
                    true,
                    Some("foo=1"),
                ),
            ],
        ),
        (
            "tracestate_empty_header",
            vec![
                state(&[""], None),
                state(&["foo=1", ""], Some("foo=1")),
                state(&["", "foo=1"], Some("foo=1")),
            ],
        ),
        (
            "tracestate_multiple_headers_different_keys",
            vec![state(
                &["foo=1,bar=2", "rojo=1,congo=2", "baz=3"],
                Some("foo=1,bar=2,rojo=1,congo=2,baz=3"),
            )],
        ),
        (
            "tracestate_duplicated_keys",
            dropped(&[
                &["foo=1,foo=1"],
                &["foo=1,foo=2"],
                &["foo=1", "foo=1"],
                &["foo=1", "foo=2"],
            ]),
        ),
        (
            "tracestate_all_allowed_characters",
            all.iter().map(|it| state(&[it], Some(it))).collect(),
        ),
        (
            "tracestate_ows_handling",
            vec![
                state(
                    &["foo=1 \t , \t bar=2, \t baz=3"],
                    Some("foo=1,bar=2,baz=3"),
                ),
                state(
                    &["foo=1\t \t,\t \tbar=2,\t \tbaz=3"],
                    Some("foo=1,bar=2,baz=3"),
                ),
                state(&[" foo=1"], Some("foo=1")),
                state(&["\tfoo=1"], Some("foo=1")),
                state(&["foo=1 "], Some("foo=1")),
                state(&["foo=1\t"], Some("foo=1")),
                state(&["\t foo=1 \t"], Some("foo=1")),
            ],
        ),
        (
            "tracestate_key_illegal_characters",
            dropped(&[&["foo =1"], &["FOO=1"], &["foo.bar=1"]]),
        ),
        ("tracestate_key_illegal_vendor_format", {
            let kept = |line| state(&[line], Some(line));
            vec![
                kept("foo@=1,bar=2"),
                state(&["@foo=1,bar=2"], None),
                kept("foo@@bar=1,bar=2"),
                kept("foo@bar@baz=1,bar=2"),
            ]
        }),
        (
            "tracestate_member_count_limit",
            vec![
                state(
                    &lines(32).each_ref().map(String::as_str),
                    Some(&members(1..=32)),
                ),
                state(&lines(33).each_ref().map(String::as_str), None),
            ],
        ),
        (
            "tracestate_key_length_limit",
            vec![
                with_key("z".repeat(256), true),
                with_key("z".repeat(257), false),
                with_key(format!("{}@{}", "t".repeat(241), "v".repeat(14)), true),
                with_key(format!("{}@v", "t".repeat(242)), true),
                with_key(format!("t@{}", "v".repeat(15)), true),
            ],
        ),
        (
            "tracestate_value_illegal_characters",
            dropped(&[&["foo=bar=baz"], &["foo=,bar=3"]]),
        ),
    ]
}

/// What a service behind `Trace` sends to three others, and the headers that it gets itself.
async fn calls(headers: &Headers) -> (Vec<TraceContext>, HeaderMap) {
    calls_behind(Trace::new().trusting(), headers).await
}

async fn calls_behind(trace: Trace, headers: &Headers) -> (Vec<TraceContext>, HeaderMap) {
    let seen = Arc::new(Mutex::new(None));
    let answers = Arc::clone(&seen);
    let calling = service(move |request| {
        let context = TraceContext::extract(request.headers()).expect("left by `Trace`");
        let calls = (0..3).map(|_| {
            let mut headers = HeaderMap::new();
            context.child().inject(&mut headers);
            TraceContext::extract(&headers).expect("well formed")
        });
        let all = (calls.collect::<Vec<_>>(), request.headers().clone());
        *answers.lock().expect("no panic") = Some(all);
        std::future::ready((http::StatusCode::OK, "text/plain", ""))
    });
    let mut request = Request::new(Full::<Bytes>::default());
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
        request.headers_mut().append(name, value);
    }
    let chain = Chain::builder().with(trace).build();
    let service = chain.expect("a chain").layer(calling);
    let _response = service.oneshot(request).await.expect("never fails");
    let seen = seen.lock().expect("no panic").take();
    seen.expect("the service was called")
}

fn hex(id: [u8; 16]) -> String {
    use std::fmt::Write;
    id.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

#[tokio::test]
async fn all_cases_of_the_suite_of_the_w3c_hold() {
    let cases: Vec<_> = parents().into_iter().chain(states()).collect();
    assert_eq!(cases.len(), 37, "as in `TraceContextTest`");
    for (name, steps) in cases {
        for Step {
            headers,
            goes_on,
            state,
        } in steps
        {
            let (calls, own) = calls(&headers).await;
            for call in calls {
                assert_eq!(hex(call.trace_id()) == ID, goes_on, "{name}: {headers:?}");
                assert_ne!(
                    call.span_id(),
                    [0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56],
                    "{name}"
                );
                let mut sent = HeaderMap::new();
                call.inject(&mut sent);
                for headers in [&sent, &own] {
                    let found = headers
                        .get("tracestate")
                        .map(|it| it.to_str().expect("text"));
                    assert_eq!(found, state.as_deref(), "{name}: {headers:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_a_stranger_says_is_not_passed_on() {
    let headers: Headers = ["traceparent", "tracestate", "tracestate"]
        .map(|name| {
            (
                name,
                if name == "traceparent" {
                    PARENT
                } else {
                    "foo=1"
                }
                .to_owned(),
            )
        })
        .into();
    let (calls, own) = calls_behind(Trace::new(), &headers).await;
    assert!(calls.iter().all(|call| hex(call.trace_id()) != ID));
    assert_eq!(own.get_all("traceparent").iter().count(), 1);
    assert!(!own.contains_key("tracestate"));
}

/// What level 2 adds to the keys, and the suite does not ask.
#[tokio::test]
async fn a_key_may_begin_with_a_digit() {
    let headers = state(&["0foo=1,bar=2"], None).headers;
    let (_, own) = calls(&headers).await;
    assert_eq!(own["tracestate"], "0foo=1,bar=2");
}

/// `AdvancedTest`, three cases, and `TraceContext2Test`, one.
#[tokio::test]
async fn each_call_is_a_span_of_its_own_and_flags_are_passed_on() {
    for (name, parent, goes_on) in [
        (
            "multiple_requests_with_valid_traceparent",
            Some(PARENT),
            true,
        ),
        ("multiple_requests_without_traceparent", None, false),
        (
            "multiple_requests_with_illegal_traceparent",
            Some("00-00000000000000000000000000000000-1234567890123456-01"),
            false,
        ),
    ] {
        let headers = parent.map(|it| ("traceparent", it.to_owned()));
        let (calls, _) = calls(&headers.into_iter().collect()).await;
        let spans: HashSet<_> = calls.iter().map(TraceContext::span_id).collect();
        assert_eq!(spans.len(), 3, "{name}");
        let traces: HashSet<_> = calls.iter().map(|it| hex(it.trace_id())).collect();
        assert_eq!(traces.len(), 1, "{name}");
        assert_eq!(traces.contains(ID), goes_on, "{name}");
    }
    for (flags, is_passed_on) in [
        ("00", "00"),
        ("01", "01"),
        ("02", "02"),
        ("03", "03"),
        ("ff", "03"),
    ] {
        let parent = format!("00-{ID}-1234567890123456-{flags}");
        let (_, own) = calls(&vec![("traceparent", parent)]).await;
        let sent = own["traceparent"].to_str().expect("text");
        assert!(sent.starts_with(&format!("00-{ID}-")), "{sent}");
        assert!(
            sent.ends_with(&format!("-{is_passed_on}")),
            "{flags}: {sent}"
        );
    }
    let (_, own) = calls(&Vec::new()).await;
    assert!(
        own["traceparent"].as_bytes().ends_with(b"-03"),
        "its id is random"
    );
}
