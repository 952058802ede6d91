//! The chain: its order, its length, its laziness.

use std::error::Error as _;
use std::io;

use errchain::{Context, Error, Result, err};

use crate::support::{Inner, Outer, levels};

#[test]
fn levels_come_outermost_first_and_end_with_the_first_cause() {
    let error = Error::from(Outer { inner: Inner })
        .context("one")
        .context(|| format!("two {}", 2));
    assert_eq!(levels(&error), ["two 2", "one", "outer", "inner"]);
    assert_eq!(error.root_cause().to_string(), "inner");
    assert!(error.root_cause().is::<Inner>());
}

#[test]
fn the_sources_of_the_std_view_are_the_levels() {
    let error = err!("root").context("middle").context("top");
    let mut level = Some(error.as_std() as &(dyn std::error::Error + 'static));
    let mut seen = Vec::new();
    while let Some(error) = level {
        seen.push(error.to_string());
        level = error.source();
    }
    assert_eq!(seen, ["top", "middle", "root"]);

    let error = error.into_std();
    assert_eq!(error.to_string(), "top");
    assert_eq!(
        error.source().map(ToString::to_string).as_deref(),
        Some("middle")
    );
}

#[test]
fn any_number_of_contexts_keeps_its_order() {
    // The node's own block, the first behind it, and some more, each with one to spare.
    for depth in [0, 1, 10, 11, 12, 26, 27, 28, 43, 44, 200] {
        let mut error = err!("root");
        for level in 0..depth {
            error = error.context(move || level.to_string());
        }
        let expected: Vec<_> = (0..depth)
            .rev()
            .map(|level| level.to_string())
            .chain(["root".to_owned()])
            .collect();
        assert_eq!(levels(&error), expected, "{depth} contexts");
    }
}

#[test]
fn a_closure_runs_only_on_the_way_up() {
    let fine: io::Result<u8> = Ok(1);
    let fine = fine.context(|| -> String { unreachable!("there is no error") });
    assert_eq!(fine.ok(), Some(1));
    let some = Some(1).context(|| -> String { unreachable!("there is a value") });
    assert_eq!(some.ok(), Some(1));
}

#[test]
fn a_none_becomes_the_text_itself() {
    let missing: Result<()> = None.context("no user");
    let error = missing.expect_err("None is an error");
    assert_eq!(levels(&error), ["no user"]);
    let missing: Result<()> = None.with("key", 1);
    assert_eq!(
        levels(&missing.expect_err("None is an error")),
        ["no value"]
    );
}

#[test]
fn a_level_outlives_a_move_of_the_error() {
    let error = err!("root").context("one").context("two");
    let boxed = Box::new(error);
    let first: Vec<_> = boxed
        .chain()
        .map(std::ptr::from_ref)
        .map(<*const _>::addr)
        .collect();
    let moved = *boxed;
    let second: Vec<_> = moved
        .chain()
        .map(std::ptr::from_ref)
        .map(<*const _>::addr)
        .collect();
    assert_eq!(first, second, "levels stay where they are");
}

#[test]
fn an_earlier_look_does_not_disturb_a_later_record() {
    let mut error = err!("root").context("zero");
    for round in 1..30_u32 {
        let before = levels(&error);
        error = error
            .with("round", round)
            .hop()
            .context(move || round.to_string());
        assert_eq!(levels(&error)[1..], before);
    }
}
