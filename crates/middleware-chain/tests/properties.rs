//! What holds for any chain.

mod support;

use middleware_chain::{
    AccessLog, BodyLimit, CatchPanic, Chain, ChainBuilder, ClientAddr, Concurrency, Exchange,
    Hooks, HostCheck, Match, Member, Next, Outcome, ProblemJson, RequestId, Result, Timeout, When,
};
use proptest::prelude::*;
use std::time::Duration;
use tower::{Layer, ServiceExt};

use support::{Ends, Journal, get, ok, text};

/// A hook, a middleware or a tower layer.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Hook,
    Middleware,
    Layer,
}

fn kinds() -> impl Strategy<Value = Vec<Kind>> {
    let kind = prop_oneof![Just(Kind::Hook), Just(Kind::Middleware), Just(Kind::Layer)];
    prop::collection::vec(kind, 0..10)
}

fn member(journal: &Journal, kind: Kind, name: &str) -> Member {
    match kind {
        Kind::Hook => Member::hook(journal.hook(name)),
        Kind::Middleware => Member::with(journal.middleware(name)),
        Kind::Layer => Member::layer(tower::layer::util::Identity::new()),
    }
    .named(name)
}

fn chain(journal: &Journal, members: impl Iterator<Item = (usize, Kind)>) -> Chain {
    let members = members.map(|(nth, kind)| member(journal, kind, &nth.to_string()));
    let chain = members.fold(Chain::builder(), ChainBuilder::member).build();
    chain.expect("each has a name of its own")
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.expect("a runtime").block_on(future)
}

/// What happens on the way in and out, without the ends.
fn journal_of<S>(service: S, journal: &Journal) -> Vec<String>
where
    S: tower::Service<http::Request<http_body_util::Full<bytes::Bytes>>>,
    S::Error: std::fmt::Debug,
{
    block_on(async { drop(service.oneshot(get("/")).await.expect("never fails")) });
    let mut seen = journal.take();
    seen.retain(|it| !it.contains(' '));
    seen
}

#[derive(Debug, Clone)]
enum Edit {
    Before(prop::sample::Index, Kind),
    After(prop::sample::Index, Kind),
    Replace(prop::sample::Index, Kind),
    Remove(prop::sample::Index),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let at = any::<prop::sample::Index>;
    let kind = || prop_oneof![Just(Kind::Hook), Just(Kind::Middleware), Just(Kind::Layer)];
    let edit = prop_oneof![
        (at(), kind()).prop_map(|(at, kind)| Edit::Before(at, kind)),
        (at(), kind()).prop_map(|(at, kind)| Edit::After(at, kind)),
        (at(), kind()).prop_map(|(at, kind)| Edit::Replace(at, kind)),
        at().prop_map(Edit::Remove),
    ];
    prop::collection::vec(edit, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bracketing_does_what_the_whole_does(kinds in kinds(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 2)) {
        let journal = Journal::default();
        let numbered = || kinds.iter().copied().enumerate();
        let whole = journal_of(chain(&journal, numbered()).layer(ok("x")), &journal);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(kinds.len() + 1)).collect();
        cuts.sort_unstable();
        let part = |from: usize, to: usize| chain(&journal, numbered().skip(from).take(to - from));
        let inner = part(cuts[1], kinds.len()).layer(ok("x"));
        let parts = part(0, cuts[0]).layer(part(cuts[0], cuts[1]).layer(inner));
        prop_assert_eq!(journal_of(parts, &journal), whole);
    }

    #[test]
    fn edits_do_what_they_do_to_a_list_and_the_chain_runs_what_it_lists(kinds in kinds(), edits in edits()) {
        let journal = Journal::default();
        let original = chain(&journal, kinds.iter().copied().enumerate());
        let mut model: Vec<(String, Kind)> = kinds.iter().enumerate().map(|(nth, kind)| (nth.to_string(), *kind)).collect();
        let mut builder = original.edit();
        for (nth, edit) in edits.iter().enumerate() {
            if model.is_empty() {
                break;
            }
            let new = format!("new{nth}");
            builder = match *edit {
                Edit::Before(at, kind) => {
                    let at = at.index(model.len());
                    let name = model[at].0.clone();
                    model.insert(at, (new.clone(), kind));
                    builder.insert_before(&name, member(&journal, kind, &new))
                }
                Edit::After(at, kind) => {
                    let at = at.index(model.len());
                    let name = model[at].0.clone();
                    model.insert(at + 1, (new.clone(), kind));
                    builder.insert_after(&name, member(&journal, kind, &new))
                }
                Edit::Replace(at, kind) => {
                    let at = at.index(model.len());
                    let name = model[at].0.clone();
                    model[at].1 = kind;
                    builder.replace(&name, member(&journal, kind, &name))
                }
                Edit::Remove(at) => {
                    let (name, _) = model.remove(at.index(model.len()));
                    builder.remove(&name)
                }
            };
        }
        let edited = builder.build().expect("only names that are there");
        let names: Vec<_> = edited.names().collect();
        prop_assert_eq!(names, model.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>());
        prop_assert_eq!(original.names().count(), kinds.len());
        let runs: Vec<_> = model.iter().filter(|it| !matches!(it.1, Kind::Layer)).map(|it| it.0.clone()).collect();
        let back = runs.iter().rev().map(|name| format!("{name}'"));
        let expected: Vec<_> = runs.iter().cloned().chain(back).collect();
        prop_assert_eq!(journal_of(edited.layer(ok("x")), &journal), expected);
    }
}

/// Runs what is inside twice.
async fn again(cx: &mut Exchange, mut next: Next<'_>) -> Result {
    drop(next.attempt(cx).await);
    next.run(cx).await
}

#[test]
fn behind_each_member_a_service_is_called_only_when_it_is_ready() {
    let sink = || std::sync::Mutex::new(std::io::sink());
    let members = [
        Member::hook(AccessLog::json(sink())),
        Member::with(BodyLimit::bytes(1)),
        Member::with(CatchPanic::new()),
        Member::hook(ClientAddr::direct()),
        Member::with(Concurrency::limit(1)),
        Member::with(Concurrency::limit(1).shed_after(Duration::from_secs(1))),
        Member::hook(Hooks::new((RequestId::new(), HostCheck::any()))),
        Member::hook(HostCheck::any()),
        Member::layer(tower::layer::util::Identity::new()),
        Member::with(ProblemJson::new()),
        Member::hook(RequestId::new()),
        Member::with(Timeout::total(Duration::from_secs(60)).idle(Duration::from_secs(60))),
        Member::with(When::new(Match::path("/"), CatchPanic::new())),
    ];
    for member in members {
        let name = member.name().to_owned();
        let ends = Ends::default();
        let chain = Chain::builder().hook(ends.hook()).member(member).build();
        let service = chain.expect("a chain").layer(support::Strict::default());
        let answer =
            block_on(async { text(service.oneshot(get("/")).await.expect("never fails")).await });
        assert_eq!(
            (answer.as_str(), ends.take()),
            ("", vec![(Outcome::Complete, 200)]),
            "{name}"
        );
    }
}

#[test]
fn a_second_attempt_does_not_call_what_is_not_ready() {
    let ends = Ends::default();
    let chain = Chain::builder().hook(ends.hook()).with(again).build();
    let service = chain.expect("a chain").layer(support::Strict::default());
    block_on(async { drop(service.oneshot(get("/")).await.expect("never fails")) });
    assert_eq!(ends.take(), [(Outcome::Complete, 200)]);
}
