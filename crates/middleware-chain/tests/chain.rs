//! What a chain promises, over a service that needs no network.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use middleware_chain::{
    AccessLog, BodyLimit, BuildError, CatchPanic, Chain, ChainBuilder, ClientAddr, Concurrency,
    Error, Exchange, Hooks, HostCheck, Match, Member, Next, Outcome, ProblemJson, RequestId,
    Result, RouteTag, Timeout, When,
};
use tower::layer::util::Identity;
use tower::limit::GlobalConcurrencyLimitLayer;
use tower::load_shed::LoadShedLayer;
use tower::{Layer, Service, ServiceExt};

use support::{Ends, Journal, get, hang, ok, service, text};

async fn pass(cx: &mut Exchange, next: Next<'_>) -> Result {
    next.run(cx).await
}

async fn refuse(_cx: &mut Exchange, _next: Next<'_>) -> Result {
    Err(Error::status(StatusCode::FORBIDDEN).detail("not \u{e9} you\n"))
}

fn names(chain: &Chain) -> Vec<String> {
    chain.names().map(str::to_owned).collect()
}

#[tokio::test]
async fn members_run_in_order_and_back() {
    let journal = Journal::default();
    let chain = Chain::builder()
        .hook(journal.hook("a"))
        .member(Member::hook(journal.hook("b")).named("b"))
        .named("c", journal.middleware("c"))
        .member(Member::hook(journal.hook("d")).named("d"))
        .build()
        .expect("a chain");
    let response = chain
        .layer(ok("x"))
        .oneshot(get("/"))
        .await
        .expect("never fails");
    assert_eq!(journal.take(), ["a", "b", "c", "d", "d'", "c'", "b'", "a'"]);
    assert_eq!(text(response).await, "x");
    assert_eq!(journal.take(), ["d complete", "b complete", "a complete"]);
}

#[tokio::test]
async fn a_hook_that_answers_is_over_and_those_outside_see_its_answer() {
    let journal = Journal::default();
    let chain = Chain::builder()
        .hook(journal.hook("a"))
        .hook(HostCheck::only(["ours.example"]))
        .named("never", journal.middleware("never"))
        .build()
        .expect("a chain");
    let request = Request::get("/").header("host", "theirs.example");
    let request = request.body(Full::<Bytes>::default()).expect("a request");
    let response = chain
        .layer(ok("x"))
        .oneshot(request)
        .await
        .expect("never fails");
    assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST);
    drop(response);
    assert_eq!(journal.take(), ["a", "a'", "a complete"]);
}

#[test]
fn edits_keep_the_order_of_the_others_and_fail_on_a_name_that_is_not_there() {
    let chain = Chain::builder()
        .with(pass)
        .hook(RequestId::new())
        .with(CatchPanic::new())
        .build()
        .expect("a chain");
    let edited = chain
        .edit()
        .insert_before("request_id", Member::with(ProblemJson::new()))
        .insert_after("request_id", Member::hook(HostCheck::any()))
        .replace(
            "catch_panic",
            Member::with(Timeout::total(Duration::from_secs(1))),
        )
        .remove("pass")
        .build()
        .expect("a chain");
    assert_eq!(
        names(&edited),
        ["problem_json", "request_id", "host_check", "catch_panic"]
    );
    assert_eq!(names(&chain), ["pass", "request_id", "catch_panic"]);
    let error = chain
        .edit()
        .remove("auth")
        .build()
        .expect_err("no such name");
    assert_eq!(
        error.to_string(),
        "no member is called \"auth\": the chain has pass, request_id, catch_panic"
    );
}

#[test]
fn what_cannot_be_built_is_named() {
    let twice = Chain::builder().with(pass).with(pass).build();
    assert_eq!(
        twice.expect_err("twice"),
        BuildError::DuplicateName("pass".into())
    );
    let many = |count: usize| {
        let members = (0..count).map(|nth| Member::with(pass).named(nth.to_string()));
        members.fold(Chain::builder(), ChainBuilder::member)
    };
    assert!(many(63).build().is_ok());
    let error = many(64).build().expect_err("one too many");
    assert!(
        error
            .to_string()
            .starts_with("\"63\" is one middleware too many")
    );
    assert!(RequestId::new().header("no name").is_err());
    assert!(ClientAddr::trusting(["10.0.0.0/33"]).is_err());
}

#[test]
fn each_rule_of_order_warns_and_the_right_order_does_not() {
    let log = || AccessLog::logfmt(Mutex::new(std::io::sink()));
    let right = Chain::builder()
        .hook(ClientAddr::direct())
        .hook(RequestId::new())
        .hook(log())
        .with(ProblemJson::new())
        .with(CatchPanic::new())
        .with(Concurrency::limit(1).shed_after(Duration::from_secs(1)))
        .with(Timeout::total(Duration::from_secs(1)))
        .build()
        .expect("a chain");
    assert_eq!(right.check(), []);
    let rules = |chain: middleware_chain::ChainBuilder| -> Vec<&str> {
        let chain = chain.build().expect("a chain");
        chain.check().into_iter().map(|it| it.rule).collect()
    };
    let builder = Chain::builder;
    let timeout = || Timeout::total(Duration::from_secs(1));
    assert_eq!(rules(builder().hook(log()).hook(RequestId::new())), ["R1"]);
    assert_eq!(rules(builder().with(CatchPanic::new()).hook(log())), ["R3"]);
    assert_eq!(rules(builder().with(timeout()).hook(log())), ["R4"]);
    let late = builder().with(timeout()).with(ProblemJson::new());
    assert_eq!(rules(late), ["R5"]);
    let queue = Concurrency::limit(1).shed_after(Duration::from_secs(1));
    assert_eq!(rules(builder().with(timeout()).with(queue)), ["R6"]);
    let twice = builder()
        .hook(log())
        .member(Member::hook(log()).named("again"));
    assert_eq!(rules(twice), ["R13"]);
    let tag = RouteTag::new(|_| None);
    assert_eq!(rules(builder().layer(tag)), ["R14"]);
}

#[tokio::test]
async fn errors_become_problem_documents_and_foreign_documents_are_left_alone() {
    let chain = Chain::builder()
        .with(ProblemJson::new())
        .with(refuse)
        .build()
        .expect("a chain");
    let response = chain
        .layer(ok("x"))
        .oneshot(get("/"))
        .await
        .expect("never fails");
    assert_eq!(
        response.headers()["content-type"],
        "application/problem+json"
    );
    assert_eq!(
        text(response).await,
        r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"not \u00e9 you\u000a"}"#
    );
    let chain = Chain::builder()
        .with(ProblemJson::new())
        .build()
        .expect("a chain");
    let bare = service(async |_| (StatusCode::NOT_FOUND, "text/plain", "nothing"));
    let response = chain
        .layer(bare)
        .oneshot(get("/"))
        .await
        .expect("never fails");
    assert!(text(response).await.contains("Not Found"));
    let own = service(async |_| (StatusCode::NOT_FOUND, "application/json", "{}"));
    let response = chain
        .layer(own)
        .oneshot(get("/"))
        .await
        .expect("never fails");
    assert_eq!(text(response).await, "{}");
}

#[tokio::test]
async fn an_error_that_nobody_renders_is_an_empty_answer_with_its_status() {
    let chain = Chain::builder().with(refuse).build().expect("a chain");
    let response = chain
        .layer(ok("x"))
        .oneshot(get("/"))
        .await
        .expect("never fails");
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(text(response).await, "");
}

#[tokio::test]
async fn a_panic_is_a_500_without_its_text_and_is_recorded() {
    let ends = Ends::default();
    let chain = Chain::builder()
        .hook(ends.hook())
        .with(ProblemJson::new())
        .with(CatchPanic::new())
        .build()
        .expect("a chain");
    let panics = service(async |_| panic!("secret"));
    let response = chain
        .layer(panics)
        .oneshot(get("/"))
        .await
        .expect("never fails");
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!text(response).await.contains("secret"));
    assert_eq!(ends.take(), [(Outcome::Panic, 500)]);
}

#[tokio::test(start_paused = true)]
async fn a_late_handler_is_dropped_before_the_503() {
    let ends = Ends::default();
    let chain = Chain::builder()
        .hook(ends.hook())
        .with(Timeout::total(Duration::from_secs(3)))
        .build()
        .expect("a chain");
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let slow = service(move |_| {
        let held = Arc::clone(&held);
        async move {
            let answer = hang().await;
            drop(held);
            answer
        }
    });
    let response = chain
        .layer(slow)
        .oneshot(get("/"))
        .await
        .expect("never fails");
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(Arc::strong_count(&alive), 1);
    drop(response);
    assert_eq!(ends.take(), [(Outcome::Timeout, 503)]);
}

#[tokio::test(start_paused = true)]
async fn each_deadline_of_a_body_fires() {
    let ends = Ends::default();
    let idle = Timeout::head(Duration::from_secs(9)).idle(Duration::from_secs(1));
    for timeout in [idle, Timeout::total(Duration::from_secs(1))] {
        let chain = Chain::builder()
            .hook(ends.hook())
            .with(timeout)
            .build()
            .expect("a chain");
        let response = chain.layer(support::stalls()).oneshot(get("/")).await;
        let body = response.expect("never fails").into_body();
        assert!(body.collect().await.is_err());
        assert_eq!(ends.take(), [(Outcome::Timeout, 200)]);
    }
    let timeout = Timeout::head(Duration::from_secs(9)).request_idle(Duration::from_secs(1));
    let chain = Chain::builder().with(timeout).build().expect("a chain");
    let reads = support::reads();
    let request = Request::post("/")
        .body(support::Stalled)
        .expect("a request");
    let response = chain
        .layer(reads)
        .oneshot(request)
        .await
        .expect("never fails");
    assert_eq!(text(response).await, "error");
}

#[tokio::test]
async fn one_too_many_is_shed_until_the_last_byte_of_another() {
    let ends = Ends::default();
    let chain = Chain::builder()
        .hook(ends.hook())
        .with(Concurrency::limit(1))
        .build()
        .expect("a chain");
    let mut service = chain.layer(ok("x"));
    let first = service.call(get("/")).await.expect("never fails");
    let second = service.call(get("/")).await.expect("never fails");
    assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(second);
    assert_eq!(text(first).await, "x");
    let third = service.call(get("/")).await.expect("never fails");
    assert_eq!(text(third).await, "x");
    let ended: Vec<_> = ends
        .take()
        .into_iter()
        .map(|(outcome, _)| outcome)
        .collect();
    assert_eq!(ended, [Outcome::Shed, Outcome::Complete, Outcome::Complete]);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_413_with_or_without_a_length() {
    let chain = Chain::builder()
        .with(BodyLimit::bytes(3))
        .build()
        .expect("a chain");
    for (body, status) in [("abc", 200), ("abcd", 413)] {
        let sized = Request::post("/").header("content-length", body.len());
        let sized = sized.body(Full::new(Bytes::from(body))).expect("a request");
        let chunked = Request::post("/").body(Full::new(Bytes::from(body)));
        for request in [sized, chunked.expect("a request")] {
            let response = chain.layer(support::reads()).oneshot(request).await;
            assert_eq!(response.expect("never fails").status(), status, "{body}");
        }
    }
}

#[tokio::test]
async fn a_handler_can_tell_why_a_body_ended_and_its_own_413_stays() {
    let chain = Chain::builder()
        .with(ProblemJson::new())
        .with(BodyLimit::bytes(3))
        .build()
        .expect("a chain");
    let request = Request::post("/").body(Full::new(Bytes::from("abcd")));
    let response = chain
        .layer(support::reads_and_tells())
        .oneshot(request.expect("a request"))
        .await
        .expect("never fails");
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(text(response).await, "its own");
}

#[tokio::test]
async fn a_refused_host_is_a_problem_that_says_what_to_send() {
    let chain = Chain::builder()
        .with(ProblemJson::new())
        .hook(HostCheck::any())
        .build()
        .expect("a chain");
    let request = Request::get("/").body(Full::<Bytes>::default());
    let response = chain
        .layer(ok("x"))
        .oneshot(request.expect("a request"))
        .await
        .expect("never fails");
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(text(response).await.contains("no Host header: send one."));
}

#[tokio::test]
async fn only_requests_that_match_meet_a_member() {
    let admin = Match::path("/admin/**");
    let chain = Chain::builder()
        .when(admin.clone(), refuse)
        .build()
        .expect("a chain");
    assert_eq!(names(&chain), ["refuse"]);
    let skipping = Chain::builder()
        .with(When::skip(admin, refuse))
        .build()
        .expect("a chain");
    for (path, is_admin) in [("/admin", true), ("/admin/x", true), ("/adminx", false)] {
        let of = async |chain: &Chain| {
            let response = chain.layer(ok("x")).oneshot(get(path)).await;
            response.expect("never fails").status() == StatusCode::FORBIDDEN
        };
        assert_eq!(
            (of(&chain).await, of(&skipping).await),
            (is_admin, !is_admin),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_id_from_outside_is_kept_only_if_trusted_and_well_formed() {
    let id_of = async |hook: RequestId, sent: &str| {
        let chain = Chain::builder().hook(hook).build().expect("a chain");
        let request = Request::get("/").header("x-request-id", sent);
        let request = request.body(Full::<Bytes>::default()).expect("a request");
        let response = chain
            .layer(ok("x"))
            .oneshot(request)
            .await
            .expect("never fails");
        let id = response.headers()["x-request-id"].to_str().expect("text");
        id.to_owned()
    };
    assert_eq!(id_of(RequestId::new().trusting(), "abc-1").await, "abc-1");
    let long = "a".repeat(129);
    for bad in ["", "a b", "a\"b", &long] {
        assert_eq!(
            id_of(RequestId::new().trusting(), bad).await.len(),
            32,
            "{bad}"
        );
    }
    assert_ne!(id_of(RequestId::new(), "abc-1").await, "abc-1");
}

#[tokio::test]
async fn a_line_can_not_be_forged_and_tells_nothing_of_persons() {
    let lines = support::Lines::default();
    for (log, is_json) in [
        (AccessLog::logfmt(lines.clone()), false),
        (AccessLog::json(lines.clone()), true),
    ] {
        let chain = Chain::builder()
            .hook(log.with_path())
            .build()
            .expect("a chain");
        let mut request = get("/a%0a\"x?password=secret");
        *request.method_mut() = http::Method::POST;
        let response = chain
            .layer(ok("x"))
            .oneshot(request)
            .await
            .expect("never fails");
        drop(text(response).await);
        let line = lines.take();
        assert!(!line.contains("secret"), "{line}");
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let start = if is_json { "{\"ts\":" } else { "ts=" };
        assert!(line.starts_with(start), "{line}");
        let outcome = if is_json {
            "\"outcome\":\"complete\""
        } else {
            "outcome=complete"
        };
        assert!(line.contains(outcome), "{line}");
        assert!(line.contains("a%0a\\\"x"), "{line}");
    }
}

#[tokio::test]
async fn any_tower_layer_stands_within_a_chain_and_what_is_known_passes_it() {
    let ends = Ends::default();
    let journal = Journal::default();
    let header = http::HeaderName::from_static("x-layer");
    let value = http::HeaderValue::from_static("yes");
    let chain = Chain::builder()
        .hook(ends.hook())
        .hook(RequestId::new())
        .layer(tower_http::set_header::SetResponseHeaderLayer::overriding(
            header, value,
        ))
        .with(journal.middleware("a"))
        .layer(tower_http::cors::CorsLayer::permissive())
        .named("id", async |cx: &mut Exchange, next: Next<'_>| {
            assert!(cx.request_id().is_some());
            next.run(cx).await
        })
        .with(CatchPanic::new())
        .build()
        .expect("a chain");
    let response = chain
        .layer(ok("x"))
        .oneshot(get("/"))
        .await
        .expect("never fails");
    assert_eq!(response.headers()["x-layer"], "yes");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(text(response).await, "x");
    assert_eq!(journal.take(), ["a", "a'"]);
    assert_eq!(ends.take(), [(Outcome::Complete, 200)]);
    let panics = service(async |_| panic!("inside"));
    let response = chain
        .layer(panics)
        .oneshot(get("/"))
        .await
        .expect("never fails");
    drop(response);
    assert_eq!(ends.take(), [(Outcome::Panic, 500)]);
}

#[tokio::test]
async fn readiness_is_asked_of_the_instance_that_is_called_and_only_then() {
    let strict = support::Strict::default;
    let chain = |builder: ChainBuilder| builder.build().expect("a chain");
    let empty = chain(Chain::builder()).layer(strict()).oneshot(get("/"));
    let some = chain(Chain::builder().with(pass)).layer(strict());
    let hooks = Hooks::new((HostCheck::any(),)).layer(strict());
    let layered = Chain::builder().layer(Identity::new()).with(pass);
    let layered = layered.member(Member::layer(Identity::new()).named("another"));
    let layered = chain(layered).layer(strict());
    let tagged = RouteTag::new(|_| None).layer(strict());
    let tagged = chain(Chain::builder()).layer(tagged);
    for (what, answer) in [
        ("an empty chain", empty.await),
        ("a chain", some.oneshot(get("/")).await),
        ("hooks", hooks.oneshot(get("/")).await),
        ("tower layers", layered.oneshot(get("/")).await),
        ("a tag", tagged.oneshot(get("/")).await),
    ] {
        let status = answer.expect("never fails").status();
        assert_eq!(status, StatusCode::OK, "{what}");
    }
}

#[tokio::test]
async fn any_bracketing_of_the_same_members_does_the_same() {
    let run = async |cut: usize| {
        let journal = Journal::default();
        let part = |range: std::ops::Range<usize>| {
            let members = range.map(|nth| {
                let name = nth.to_string();
                if nth % 2 == 0 {
                    Member::hook(journal.hook(&name)).named(&name)
                } else {
                    Member::with(journal.middleware(&name)).named(&name)
                }
            });
            let builder = members.fold(Chain::builder(), ChainBuilder::member);
            builder.build().expect("a chain")
        };
        let service = part(0..cut).layer(part(cut..6).layer(ok("x")));
        let response = service.oneshot(get("/")).await.expect("never fails");
        assert_eq!(text(response).await, "x");
        let mut seen = journal.take();
        seen.retain(|it| !it.ends_with("complete"));
        seen
    };
    let whole = run(0).await;
    for cut in 1..=6 {
        assert_eq!(run(cut).await, whole, "cut at {cut}");
    }
}

/// A layer asks the next one itself, as in a `ServiceBuilder`; a member between the two waits in its place.
#[tokio::test(start_paused = true)]
async fn a_layer_is_ready_when_the_one_next_to_it_is() {
    let shed = || Chain::builder().layer(LoadShedLayer::new());
    let limit = || Member::layer(GlobalConcurrencyLimitLayer::new(1));
    for (what, chain, statuses) in [
        ("next to it", shed().member(limit()), [200, 500]),
        (
            "a member between",
            shed().with(pass).member(limit()),
            [200, 200],
        ),
    ] {
        let slow = service(async |_| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            (StatusCode::OK, "text/plain", "x")
        });
        let service = chain.build().expect("a chain").layer(slow);
        let ask = || service.clone().oneshot(get("/"));
        let (first, second) = tokio::join!(ask(), ask());
        let answers = [first, second].map(|it| it.expect("never fails").status().as_u16());
        assert_eq!(answers, statuses, "{what}");
    }
}

#[test]
fn a_frame_that_is_not_there_takes_no_bytes() {
    let layered = |count: usize| {
        let layers = (0..count).map(|nth| Member::layer(Identity::new()).named(nth.to_string()));
        layers.fold(Chain::builder(), ChainBuilder::member)
    };
    let bytes = |chain: ChainBuilder| chain.build().expect("a chain").frame_bytes();
    assert_eq!(bytes(layered(2)), bytes(layered(1)));
    assert_eq!(bytes(layered(3)), bytes(layered(1)));
    let between = layered(1).with(pass).layer(Identity::new());
    assert!(bytes(between) > bytes(layered(1).with(pass)));
}
