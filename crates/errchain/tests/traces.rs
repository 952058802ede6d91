//! `#[traced]`: the way an error came, compared with what Zig's error return traces say.
//!
//! Zig's own cases are in its `test/error_traces.zig`. A trace belongs to a call tree there, and
//! to an error here; so an error that was handled cannot leave anything behind, and one that
//! replaces another does not bring the other's way along, unless it is made its cause.
//!
//! | Zig's case | here |
//! |---|---|
//! | return | `return_` |
//! | try return | `try_return` |
//! | non-error return pops error trace | `a_handled_error_leaves_nothing` |
//! | continue in while loop | `a_handled_error_leaves_nothing` |
//! | try return + handled catch/if-else | `only_the_error_that_leaves_is_traced` |
//! | break from inline loop pops error return trace | `a_handled_error_leaves_nothing` |
//! | catch and re-throw error | `a_replaced_error_is_kept_as_the_cause_or_not_at_all` |
//! | errors stored in var do not contribute to error trace | `a_handled_error_leaves_nothing` |
//! | error stored in const has trace preserved for duration of block | differs: handled is gone |
//! | error passed to function has its trace preserved for duration of the call | `an_error_that_is_passed_on_takes_its_trace_along` |
//! | try return from within catch | `a_replaced_error_is_kept_as_the_cause_or_not_at_all` |
//! | try return from within if-else | `a_replaced_error_is_kept_as_the_cause_or_not_at_all` |
//! | try try return return | `try_try_return_return` |
//! | error union switch with call operand | `a_handled_error_leaves_nothing` |

#![allow(
    clippy::items_after_statements,
    clippy::unnecessary_wraps,
    clippy::needless_question_mark,
    clippy::unused_async,
    reason = "the functions are cases, and stand beside what is said of them"
)]

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::{Context as TaskContext, Poll, Waker};

use errchain::{Context, Error, Result, bail, err, traced};

/// Where it came up and where it passed, as lines of this file.
fn trace(error: &Error) -> Vec<u32> {
    let all = std::iter::once(error.location()).chain(error.hops());
    all.map(|at| {
        assert_eq!(at.file(), file!());
        at.line()
    })
    .collect()
}

fn fails<T>(result: Result<T>) -> Error {
    result.err().expect("it fails")
}

/// A line that the test names, and the code on it.
macro_rules! at {
    ($line:ident = $code:expr) => {{
        $line.set(line!());
        $code
    }};
}

mod zig {
    use super::*;

    pub(super) fn sky() -> Result<()> {
        bail!("the sky is falling")
    }
    pub(super) const SKY: u32 = line!() - 2;

    #[traced]
    pub(super) fn try_sky() -> Result<()> {
        sky()?;
        Ok(())
    }
    pub(super) const TRY_SKY: u32 = line!() - 3;
}
use zig::{SKY, TRY_SKY, sky, try_sky};

#[test]
fn return_() {
    assert_eq!(trace(&fails(sky())), [SKY]);
}

#[test]
fn try_return() {
    assert_eq!(trace(&fails(try_sky())), [SKY, TRY_SKY]);
}

#[test]
fn try_try_return_return() {
    #[traced]
    fn main() -> Result<()> {
        // Handing a result on with `return` is no `?`, and so no hop: Zig records it.
        fn bar() -> Result<()> {
            try_sky()
        }
        bar()?;
        Ok(())
    }
    const MAIN: u32 = line!() - 3;
    assert_eq!(trace(&fails(main())), [SKY, TRY_SKY, MAIN]);
}

#[test]
fn a_handled_error_leaves_nothing() {
    #[traced]
    fn caught() -> Result<()> {
        let stored = try_sky();
        for _ in 0..3 {
            if try_sky().is_err() {
                continue;
            }
            break;
        }
        drop(stored);
        match try_sky() {
            Ok(()) | Err(_) => {}
        }
        Ok(())
    }
    #[traced]
    fn main() -> Result<()> {
        caught()?;
        Err(err!("unrelated"))
    }
    const UNRELATED: u32 = line!() - 2;
    assert_eq!(trace(&fails(main())), [UNRELATED]);
}

#[test]
fn only_the_error_that_leaves_is_traced() {
    #[traced]
    fn main() -> Result<()> {
        let _handled = try_sky();
        if try_sky().is_ok() {
            unreachable!("it always fails");
        }
        try_sky()?;
        Ok(())
    }
    const MAIN: u32 = line!() - 3;
    assert_eq!(trace(&fails(main())), [SKY, TRY_SKY, MAIN]);
}

#[test]
fn a_replaced_error_is_kept_as_the_cause_or_not_at_all() {
    #[derive(Debug, thiserror::Error)]
    #[error("out of gas")]
    struct OutOfGas(#[source] Option<errchain::StdError>);

    #[traced]
    fn replaced() -> Result<()> {
        if try_sky().is_err() {
            Err(OutOfGas(None))?;
        }
        Ok(())
    }
    const REPLACED: u32 = line!() - 4;
    assert_eq!(trace(&fails(replaced())), [REPLACED]);

    #[traced]
    fn caused() -> Result<()> {
        try_sky().map_err(|error| OutOfGas(Some(error.into_std())))?;
        Ok(())
    }
    const CAUSED: u32 = line!() - 3;
    let error = fails(caused());
    assert_eq!(
        trace(&error),
        [CAUSED, TRY_SKY],
        "the hops of the cause too"
    );
    let cause = error
        .chain()
        .find_map(|level| level.downcast_ref::<errchain::StdError>());
    let cause = cause.expect("it is kept").as_error();
    assert_eq!(trace(cause), [SKY, TRY_SKY]);
}

#[test]
fn an_error_that_is_passed_on_takes_its_trace_along() {
    #[traced]
    fn expect_err(result: Result<()>) -> Result<()> {
        result?;
        Ok(())
    }
    const EXPECT: u32 = line!() - 3;
    assert_eq!(trace(&fails(expect_err(try_sky()))), [SKY, TRY_SKY, EXPECT]);
}

#[test]
fn a_foreign_error_remembers_the_question_mark_that_converted_it() {
    #[traced]
    fn parse(text: &str) -> Result<u16> {
        let number = text.trim().parse::<u16>()?;
        Ok(number)
    }
    const PARSE: u32 = line!() - 3;
    #[traced]
    fn outer(text: &str) -> Result<u16> {
        Ok(parse(text)? + 1)
    }
    const OUTER: u32 = line!() - 2;
    assert_eq!(outer(" 1 ").ok(), Some(2));
    assert_eq!(trace(&fails(outer("x"))), [PARSE, OUTER]);
}

/// Runs a future that never waits for anything.
fn run<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut TaskContext::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}

#[test]
fn async_functions_have_the_trace_of_the_code_and_not_of_the_executor() {
    #[traced]
    async fn leaf() -> Result<()> {
        std::future::ready(()).await;
        try_sky()?;
        Ok(())
    }
    const LEAF: u32 = line!() - 3;
    #[traced]
    async fn caller() -> Result<()> {
        let block = async {
            leaf().await?;
            Ok::<(), Error>(())
        };
        block.await?;
        Ok(())
    }
    const BLOCK: u32 = line!() - 6;
    const CALLER: u32 = line!() - 4;
    assert_eq!(
        trace(&fails(run(caller()))),
        [SKY, TRY_SKY, LEAF, BLOCK, CALLER]
    );
}

struct Service {
    name: &'static str,
}

#[traced]
impl Service {
    const fn name(&self) -> &'static str {
        self.name
    }

    fn call(&mut self) -> Result<usize> {
        try_sky()?;
        Ok(self.name().len())
    }
    const CALL: u32 = line!() - 3;

    async fn call_later(&mut self) -> Result<usize> {
        Ok(self.call()?)
    }
    const LATER: u32 = line!() - 2;
}

#[test]
fn an_impl_block_traces_all_its_functions() {
    let mut service = Service { name: "users" };
    let error = fails(run(service.call_later()));
    assert_eq!(trace(&error), [SKY, TRY_SKY, Service::CALL, Service::LATER]);
    assert_eq!(service.name(), "users");
}

#[test]
fn a_method_and_a_trait_s_own_method_can_be_traced() {
    trait Call {
        #[traced(crate = errchain)]
        fn call(&self) -> Result<()> {
            try_sky()?;
            Ok(())
        }
    }
    const CALL: u32 = line!() - 4;
    impl Call for Service {}
    assert_eq!(
        trace(&fails(Service { name: "" }.call())),
        [SKY, TRY_SKY, CALL]
    );
}

#[test]
fn any_other_question_mark_does_what_it_always_does() {
    #[traced]
    fn option(text: &str) -> Option<char> {
        let first = text.chars().next()?;
        Some(first.to_uppercase().next()?)
    }
    #[traced]
    fn flow(number: u8) -> ControlFlow<u8> {
        if number > 3 {
            ControlFlow::Break(number)?;
        }
        ControlFlow::Continue(())
    }
    // The error borrows, so it has no `TypeId`.
    #[traced]
    fn borrowed(result: Result<u8, &str>) -> Result<u8, &str> {
        Ok(result? + 1)
    }
    #[traced]
    fn poll(result: Result<u8>) -> Poll<Result<u8>> {
        let inner: Poll<Result<u8>> = Poll::Ready(result);
        let value = inner?;
        value.map(Ok)
    }
    #[traced]
    fn generic<T: std::str::FromStr>(text: &str) -> Result<T>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        Ok(text.parse()?)
    }
    // Nothing but the way they are used says what these are.
    #[traced]
    fn inferred(words: &[&str]) -> Result<Vec<u8>> {
        let numbers = words
            .iter()
            .map(|word| word.parse())
            .collect::<Result<_, _>>()?;
        let first: u8 = "1".parse()?;
        let mut all: Vec<u8> = numbers;
        all.push(first);
        Ok(all)
    }
    #[traced]
    fn boxed(text: &str) -> Result<u8, Box<dyn std::error::Error + Send + Sync>> {
        try_sky()?;
        Ok(text.parse()?)
    }

    assert_eq!((option("ab"), option("")), (Some('A'), None));
    assert_eq!(
        (flow(1), flow(4)),
        (ControlFlow::Continue(()), ControlFlow::Break(4))
    );
    assert_eq!(
        (borrowed(Ok(1)), borrowed(Err("borrowed"))),
        (Ok(2), Err("borrowed"))
    );
    assert!(matches!(poll(Ok(1)), Poll::Ready(Ok(1))));
    let Poll::Ready(Err(error)) = poll(Err(err!("polled"))) else {
        unreachable!("it was ready with an error");
    };
    assert_eq!(error.hops().count(), 1);
    assert_eq!(generic::<u8>("7").ok(), Some(7));
    assert!(generic::<u8>("x").is_err());
    assert_eq!(inferred(&["2", "3"]).ok(), Some(vec![2, 3, 1]));
    let error = Error::from_boxed(boxed("1").expect_err("the sky is falling"));
    assert_eq!(error.hops().count(), 2);
}

#[test]
fn items_inside_are_functions_of_their_own_and_closures_are_not() {
    #[traced]
    fn outer() -> Result<()> {
        fn inner() -> Result<()> {
            sky()?;
            Ok(())
        }
        let closure = || -> Result<()> {
            inner()?;
            Ok(())
        };
        closure()
    }
    const CLOSURE: u32 = line!() - 5;
    assert_eq!(trace(&fails(outer())), [SKY, CLOSURE]);
}

#[test]
fn a_question_mark_in_a_macro_is_not_seen_and_a_hop_by_hand_is() {
    let line = std::cell::Cell::new(0);
    #[traced]
    fn hidden() -> Result<Vec<()>> {
        Ok(vec![sky()?])
    }
    assert_eq!(trace(&fails(hidden())), [SKY]);
    let by_hand = || -> Result<Vec<()>> { Ok(vec![at!(line = sky().hop()?)]) };
    assert_eq!(trace(&fails(by_hand())), [SKY, line.get()]);
}

#[test]
fn the_place_is_that_of_the_question_mark() {
    #[traced]
    fn two() -> Result<u8> {
        let number = |fails| if fails { Err(err!("no")) } else { Ok(1) };
        Ok(number(false)? + number(true)?)
    }
    let error = fails(two());
    let column = error.hops().next().expect("it passed one").column();
    assert_eq!(column, 41, "the second one");
}
