//! A tuple of hooks does what its parts do next to each other in a chain.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use http::{Response, StatusCode};
use middleware_chain::{Chain, Exchange, Exit, Flow, Hook, Hooks, Member, Role};
use tower::{Layer, ServiceExt};

use support::{Journal, get, ok};

/// What a hook does in the end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Deed {
    Passes,
    Answers,
    PanicsBefore,
    PanicsAfter,
    PanicsAtTheEnd,
}

const DEEDS: [Deed; 5] = [
    Deed::Passes,
    Deed::Answers,
    Deed::PanicsBefore,
    Deed::PanicsAfter,
    Deed::PanicsAtTheEnd,
];

struct Does(Journal, usize, Deed);

impl Hook for Does {
    /// Shows that each has the state that it had.
    type State = Option<usize>;

    fn before(&self, state: &mut Option<usize>, _cx: &mut Exchange) -> Flow {
        self.0.note(format!("{} before", self.1));
        assert_eq!(*state, None);
        *state = Some(self.1);
        match self.2 {
            Deed::PanicsBefore => panic!("before"),
            Deed::Answers => {
                let answer = Response::builder().status(StatusCode::IM_A_TEAPOT);
                let answer = answer.header("x-by", self.1).body(Bytes::from("own"));
                Flow::Break(answer.expect("well formed"))
            }
            _ => Flow::Continue(()),
        }
    }

    fn after(&self, state: &mut Option<usize>, cx: &mut Exchange) {
        assert_eq!(*state, Some(self.1));
        let status = cx.response().map(|response| response.status);
        self.0.note(format!("{} after {status:?}", self.1));
        assert!(self.2 != Deed::PanicsAfter, "after");
        if let Some(response) = cx.response_mut() {
            response.headers.append("x-seen", self.1.into());
        }
    }

    fn end(&self, state: &mut Option<usize>, exit: &Exit<'_>) {
        assert_eq!(*state, Some(self.1));
        let (outcome, status) = (exit.outcome(), exit.status());
        self.0.note(format!("{} end {outcome} {status:?}", self.1));
        assert!(self.2 != Deed::PanicsAtTheEnd, "at the end");
    }

    fn role(&self) -> Role {
        if self.1 == 1 { Role::Auth } else { Role::Other }
    }
}

/// What happens, and what the client gets.
fn run(chain: &Chain, journal: &Journal) -> (Vec<String>, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let asking = async {
        let response = chain.layer(ok("x")).oneshot(get("/")).await;
        let (head, body) = response.expect("never fails").into_parts();
        let body = support::text(Response::new(body)).await;
        format!("{head:?} {body}")
    };
    let asking = || runtime.expect("a runtime").block_on(asking);
    let answer = catch_unwind(AssertUnwindSafe(asking));
    (
        journal.take(),
        answer.unwrap_or_else(|_| "panic".to_owned()),
    )
}

#[test]
fn a_tuple_does_what_its_parts_do_whatever_each_does() {
    let mut seen = std::collections::HashSet::new();
    for deeds in DEEDS
        .iter()
        .flat_map(|a| DEEDS.map(|b| DEEDS.map(|c| [*a, b, c])))
        .flatten()
    {
        let journal = Journal::default();
        let hook = |nth: usize| Does(journal.clone(), nth, deeds[nth]);
        let member = |nth: usize| Member::hook(hook(nth)).named(nth.to_string());
        let apart = Chain::builder()
            .member(member(0))
            .member(member(1))
            .member(member(2));
        let apart = run(&apart.build().expect("a chain"), &journal);
        let tuple = Hooks::new((hook(0), hook(1), hook(2)));
        let tuple = run(
            &Chain::builder().hook(tuple).build().expect("a chain"),
            &journal,
        );
        assert_eq!(tuple, apart, "{deeds:?}");
        seen.insert(apart.0);
    }
    assert!(seen.len() >= 12, "{} different journals", seen.len());
}

#[tokio::test]
async fn a_tuple_is_a_tower_layer_with_the_role_of_its_first_part_that_has_one() {
    let journal = Journal::default();
    let hook = |nth| Does(journal.clone(), nth, Deed::Passes);
    let hooks = Hooks::new((hook(0), hook(1)));
    assert_eq!(hooks.role(), Role::Auth);
    let response = hooks.layer(ok("x")).oneshot(get("/")).await;
    assert_eq!(support::text(response.expect("never fails")).await, "x");
    assert_eq!(journal.take().len(), 6);
}
