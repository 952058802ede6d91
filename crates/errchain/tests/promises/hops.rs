//! The way an error came, recorded by hand.

use errchain::{Context, Error, Result, err};

#[test]
fn hops_come_oldest_first_however_many_there_are() {
    for hops in [0, 1, 4, 5, 6, 10, 30, 31, 200] {
        let mut error = err!("root");
        let mut lines = Vec::new();
        for hop in 0..hops {
            if hop % 2 == 0 {
                error = error.hop();
                lines.push(line!() - 1);
            } else {
                error = error.hop();
                lines.push(line!() - 1);
            }
        }
        let seen: Vec<_> = error.hops().map(std::panic::Location::line).collect();
        assert_eq!(seen, lines, "{hops} hops");
    }
}

#[test]
fn a_record_between_hops_does_not_reorder_them() {
    let error = err!("root")
        .hop()
        .with("key", 1)
        .hop()
        .context("above")
        .hop();
    let columns: Vec<_> = error.hops().map(std::panic::Location::column).collect();
    assert!(columns.is_sorted(), "{columns:?}");
    assert_eq!(columns.len(), 3);
}

#[test]
fn a_foreign_error_has_its_first_hop_as_its_location() {
    let result: Result<(), _> = Err(std::fmt::Error);
    let error = result.hop().expect_err("it was an error");
    assert_eq!(error.location().line() + 1, line!());
}

#[test]
fn every_entry_points_at_its_caller() {
    // A `#[track_caller]` forgotten on the way would point into the crate.
    let io = || std::io::Error::other("io");
    let result = || -> std::io::Result<()> { Err(std::io::Error::other("io")) };
    let boxed = || Box::new(std::fmt::Error) as Box<dyn std::error::Error + Send + Sync>;
    errchain::code!(CODE: "test", "CODE", errchain::Kind::Internal, "Title");
    let errors = [
        Error::new(io()),
        Error::from(io()),
        Error::msg("text"),
        Error::from_boxed(boxed()),
        CODE.err(),
        err!("literal"),
        err!("number {}", 1),
        err!(CODE),
        err!(CODE, "literal"),
        err!(CODE, "number {}", 1),
        err!(CODE; key = 1),
        result().context("text").unwrap_err(),
        result().with_context(|| "text").unwrap_err(),
        result().with("key", 1).unwrap_err(),
        result().public("key", 1).unwrap_err(),
        result().code(&CODE).unwrap_err(),
        result().hop().unwrap_err(),
        None::<()>.context("text").unwrap_err(),
        None::<()>.with_context(|| "text").unwrap_err(),
        None::<()>.with("key", 1).unwrap_err(),
        None::<()>.public("key", 1).unwrap_err(),
        None::<()>.code(&CODE).unwrap_err(),
        None::<()>.hop().unwrap_err(),
    ];
    let first = line!() - 24;
    for (line, error) in (first..).zip(errors) {
        assert_eq!(error.location().file(), file!(), "{error}");
        assert_eq!(error.location().line(), line, "{error}");
    }
}
