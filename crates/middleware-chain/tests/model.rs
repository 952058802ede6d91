//! The frame against the plainest thing that does the same: a box for each future. Random scripts at
//! each level wait, answer, fail, panic, run what is inside twice or give it up; the whole is dropped
//! at any step. What happens, and in which order all is dropped, has to be the same.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use middleware_chain::{
    BoxError, Chain, ChainBuilder, Done, Error, Exchange, Member, Middleware, Next, RequestBody,
    Result,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tower::{Layer, Service};

/// What a level does.
#[derive(Debug, Clone, Copy)]
struct Script {
    waits_before: u8,
    act: Act,
    waits_after: u8,
    then: Then,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Runs,
    RunsTwice,
    /// Polls what is inside once, drops it, and runs it anew.
    GivesUp,
    Answers,
    Skips,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Then {
    Returns,
    Fails,
    Panics,
}

/// A status that says who has answered, or failed.
type Verdict = std::result::Result<u16, u16>;
type Boxed<'a> = Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// What is inside of a level, in the frame or in a box.
trait Inside: Send {
    fn run(&mut self) -> Boxed<'_>;
}

#[derive(Clone, Default)]
struct Journal(Arc<Mutex<Vec<String>>>);

impl Journal {
    fn note(&self, level: usize, what: &str) {
        self.0
            .lock()
            .expect("no panic while it is held")
            .push(format!("{level} {what}"));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic while it is held"))
    }
}

/// Notes when it is dropped.
struct Alive<'a>(&'a Journal, usize);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.note(self.1, "dropped");
    }
}

async fn wait(times: u8) {
    for _ in 0..times {
        let mut has_waited = false;
        poll_fn(|_| {
            if std::mem::replace(&mut has_waited, true) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

/// The level's own answer, or `None` if it is that of what is inside.
async fn play(
    script: Script,
    level: usize,
    journal: &Journal,
    inside: &mut dyn Inside,
) -> std::result::Result<Option<u16>, u16> {
    let _alive = Alive(journal, level);
    journal.note(level, "begins");
    wait(script.waits_before).await;
    let status = u16::try_from(level).expect("few levels");
    let own = match script.act {
        Act::Skips => return Err(410 + status),
        Act::Answers => Some(210 + status),
        Act::Runs => {
            inside.run().await?;
            None
        }
        Act::RunsTwice => {
            let first = inside.run().await;
            journal.note(level, &format!("saw {first:?}"));
            inside.run().await?;
            None
        }
        Act::GivesUp => {
            let mut first = inside.run();
            let polled = poll_fn(|cx| Poll::Ready(first.as_mut().poll(cx).is_ready())).await;
            drop(first);
            journal.note(level, &format!("gave up {polled}"));
            inside.run().await?;
            None
        }
    };
    wait(script.waits_after).await;
    journal.note(level, "ends");
    match script.then {
        Then::Returns => Ok(own),
        Then::Fails => Err(510 + status),
        Then::Panics => panic!("level {level}"),
    }
}

/// The service: it has no act.
async fn serve(script: Script, level: usize, journal: &Journal) -> Verdict {
    let _alive = Alive(journal, level);
    journal.note(level, "serves");
    wait(script.waits_before).await;
    match script.then {
        Then::Returns => Ok(200),
        Then::Fails => Err(500),
        Then::Panics => panic!("the service"),
    }
}

/// The model: a box for each level.
struct Rest<'a> {
    scripts: &'a [Script],
    level: usize,
    journal: &'a Journal,
}

impl Inside for Rest<'_> {
    fn run(&mut self) -> Boxed<'_> {
        let Self {
            scripts,
            level,
            journal,
        } = *self;
        Box::pin(async move {
            let (script, rest) = scripts.split_first().expect("the service is the last");
            if rest.is_empty() {
                return serve(*script, level, journal).await;
            }
            let inside = Rest {
                scripts: rest,
                level: level + 1,
                journal,
            };
            let mut inside = Remembers {
                inside,
                last: Ok(0),
            };
            let own = play(*script, level, journal, &mut inside).await?;
            own.map_or(inside.last, Ok)
        })
    }
}

/// What is inside, and what it has said last.
struct Remembers<'a> {
    inside: Rest<'a>,
    last: Verdict,
}

impl Inside for Remembers<'_> {
    fn run(&mut self) -> Boxed<'_> {
        Box::pin(async {
            self.last = self.inside.run().await;
            self.last
        })
    }
}

/// A level of the chain.
struct Plays {
    script: Script,
    level: usize,
    journal: Journal,
}

struct InFrame<'a, 'n> {
    cx: &'a mut Exchange,
    next: &'a mut Next<'n>,
    last: Option<Done>,
}

impl Inside for InFrame<'_, '_> {
    fn run(&mut self) -> Boxed<'_> {
        Box::pin(async {
            let result = self.next.attempt(self.cx).await;
            let done = result.map_err(|error| error.status_code().as_u16())?;
            self.last = Some(done);
            let response = self.cx.response().expect("there is an answer");
            Ok(response.status.as_u16())
        })
    }
}

impl Middleware for Plays {
    async fn handle<'a>(&'a self, cx: &'a mut Exchange, mut next: Next<'a>) -> Result {
        let mut inside = InFrame {
            cx,
            next: &mut next,
            last: None,
        };
        let played = play(self.script, self.level, &self.journal, &mut inside).await;
        let InFrame { cx, last, .. } = inside;
        let own = played.map_err(|status| Error::status(code(status)))?;
        let Some(status) = own else {
            return Ok(last.expect("what is inside has answered"));
        };
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = code(status);
        Ok(cx.answer(response))
    }
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("within the range")
}

/// Polls at most so often, then drops: the status, or how else it ended.
fn drive<F: Future<Output = u16>>(future: F, polls: usize) -> String {
    let mut future = Box::pin(future);
    let driven = catch_unwind(AssertUnwindSafe(|| {
        let mut cx = Context::from_waker(Waker::noop());
        (0..polls).find_map(|_| match future.as_mut().poll(&mut cx) {
            Poll::Ready(status) => Some(status),
            Poll::Pending => None,
        })
    }));
    drop(future);
    match driven {
        Ok(Some(status)) => status.to_string(),
        Ok(None) => "dropped".to_owned(),
        Err(_) => "panicked".to_owned(),
    }
}

fn in_boxes(scripts: &[Script], polls: usize) -> (String, Vec<String>) {
    let journal = Journal::default();
    let ended = drive(
        async {
            let mut rest = Rest {
                scripts,
                level: 0,
                journal: &journal,
            };
            match rest.run().await {
                Ok(status) | Err(status) => status,
            }
        },
        polls,
    );
    (ended, journal.take())
}

fn in_the_frame(scripts: &[Script], polls: usize) -> (String, Vec<String>) {
    let journal = Journal::default();
    let (own, levels) = scripts.split_last().expect("the service is the last");
    let members = levels.iter().enumerate().map(|(level, script)| {
        let plays = Plays {
            script: *script,
            level,
            journal: journal.clone(),
        };
        Member::with(plays).named(level.to_string())
    });
    let chain = members.fold(Chain::builder(), ChainBuilder::member).build();
    let (own, level, noted) = (*own, levels.len(), journal.clone());
    let service = tower::service_fn(move |_: Request<RequestBody>| {
        let journal = noted.clone();
        async move {
            match serve(own, level, &journal).await {
                Ok(_) => Ok(Response::new(Full::<Bytes>::default())),
                Err(_) => Err(BoxError::from("in the service")),
            }
        }
    });
    let mut service = chain.expect("each has a name of its own").layer(service);
    let request = Request::new(Full::<Bytes>::default());
    let ended = drive(
        async {
            let response: std::result::Result<_, Infallible> = service.call(request).await;
            response.expect("never fails").status().as_u16()
        },
        polls,
    );
    (ended, journal.take())
}

fn scripts() -> impl Strategy<Value = Vec<Script>> {
    let act = prop_oneof![
        6 => Just(Act::Runs),
        2 => Just(Act::RunsTwice),
        2 => Just(Act::GivesUp),
        1 => Just(Act::Answers),
        1 => Just(Act::Skips),
    ];
    let then = prop_oneof![
        8 => Just(Then::Returns),
        1 => Just(Then::Fails),
        1 => Just(Then::Panics),
    ];
    let script =
        (0..3_u8, act, 0..3_u8, then).prop_map(|(waits_before, act, waits_after, then)| Script {
            waits_before,
            act,
            waits_after,
            then,
        });
    prop::collection::vec(script, 1..7)
}

#[test]
fn a_frame_does_what_boxes_do_and_drops_each_future_once() {
    let endings = std::cell::RefCell::new(HashSet::new());
    let mut runner = TestRunner::new(ProptestConfig {
        source_file: Some(file!()),
        ..ProptestConfig::with_cases(2_000)
    });
    let checked = runner.run(&(scripts(), 0..40_usize), |(scripts, polls)| {
        let model = in_boxes(&scripts, polls);
        let balance = |what: &str| model.1.iter().filter(|it| it.ends_with(what)).count();
        prop_assert_eq!(balance("begins") + balance("serves"), balance("dropped"));
        endings.borrow_mut().insert(model.0.clone());
        prop_assert_eq!(in_the_frame(&scripts, polls), model);
        Ok(())
    });
    checked.unwrap_or_else(|error| panic!("{error}"));
    let endings = endings.into_inner();
    for ending in ["200", "210", "410", "500", "510", "dropped", "panicked"] {
        assert!(endings.contains(ending), "{ending} was not reached");
    }
}
