//! In and out: `?`, downcasts, `StdError`, boxes.

use std::error::Error as StdErrorTrait;
use std::io;
use std::sync::Arc;

use errchain::{Context, Error, Kind, Result, StdError, Value, code, err};

use crate::support::{Inner, Outer, levels};

type BoxError = Box<dyn StdErrorTrait + Send + Sync>;

fn not_found() -> io::Result<()> {
    Err(io::ErrorKind::NotFound.into())
}

#[test]
fn a_foreign_error_becomes_one_where_the_question_mark_is() {
    fn read() -> Result<u32> {
        not_found()?;
        Ok(0)
    }
    let error = read().expect_err("nothing is found");
    assert_eq!(error.location().file(), file!());
    assert_eq!(error.location().line() + 5, line!());
}

#[test]
fn a_downcast_finds_what_the_error_was_made_from() {
    let mut error = Error::from(Outer { inner: Inner })
        .context("above")
        .with("key", 1);
    assert!(error.downcast_ref::<Outer>().is_some());
    assert!(error.downcast_mut::<Outer>().is_some());
    assert!(
        error.downcast_ref::<Inner>().is_none(),
        "it is a cause, not the root"
    );
    let error = error.downcast::<io::Error>().expect_err("another type");
    let Outer { inner } = error.downcast().expect("made from it");
    assert_eq!(
        std::ptr::from_ref(&inner).addr() % 64,
        0,
        "the payload is aligned"
    );
}

#[test]
fn what_a_mutable_downcast_writes_is_seen_by_the_chain() {
    let mut error = Error::from(io::Error::other("before")).context("above");
    *error.downcast_mut::<io::Error>().expect("made from it") = io::Error::other("after");
    assert_eq!(levels(&error), ["above", "after"]);
    error = error.context("higher");
    *error.downcast_mut::<io::Error>().expect("made from it") = io::Error::other("again");
    assert_eq!(levels(&error), ["higher", "above", "again"]);
}

#[test]
fn static_errors_have_nothing_to_downcast_to() {
    let mut error = err!("fixed");
    assert!(error.downcast_ref::<io::Error>().is_none());
    assert!(error.downcast_mut::<io::Error>().is_none());
    let error = error.downcast::<io::Error>().expect_err("a text");
    assert_eq!(levels(&error), ["fixed"]);
}

#[test]
fn a_box_is_looked_through() {
    let boxed: BoxError = Box::new(Outer { inner: Inner });
    let mut error = Error::from_boxed(boxed).context("above");
    assert_eq!(levels(&error), ["above", "outer", "inner"]);
    assert!(error.downcast_ref::<Outer>().is_some());
    assert!(error.downcast_mut::<Outer>().is_some());
    let error = error.downcast::<Inner>().expect_err("another type");
    assert!(error.downcast::<Outer>().is_ok());
}

#[test]
fn going_out_and_back_in_loses_nothing_and_adds_nothing() {
    fn out(error: Error) -> Result<(), StdError> {
        Err(error.into())
    }
    fn back(error: Error) -> Result<()> {
        Ok(out(error)?)
    }
    let error = err!("root").context("above").with("key", 1);
    let location = error.location();
    let error = back(error).expect_err("it was one");
    assert_eq!(levels(&error), ["above", "root"]);
    assert_eq!(error.field("key"), Some(&Value::I64(1)));
    assert_eq!(error.location(), location, "where it came up first");

    let boxed: BoxError = error.into();
    assert_eq!(levels(&Error::from_boxed(boxed)), ["above", "root"]);
    let boxed: Box<dyn StdErrorTrait> = err!("root").into();
    assert!(boxed.is::<StdError>());
}

#[test]
fn a_foreign_type_can_carry_one_as_its_source() {
    #[derive(Debug, thiserror::Error)]
    #[error("library")]
    struct Library(#[source] StdError);

    let inner = err!("root").context("above").with("inner", 1);
    let error = Error::from(Library(inner.into_std())).with("outer", 2);
    assert_eq!(levels(&error), ["library", "above", "root"]);
    let keys: Vec<_> = error.fields().map(errchain::Field::key).collect();
    assert_eq!(keys, ["outer", "inner"]);
    assert_eq!(error.field("inner"), Some(&Value::I64(1)));
}

#[test]
fn of_an_error_and_one_further_down_the_outer_one_answers_first() {
    #[derive(Debug, thiserror::Error)]
    #[error("library")]
    struct Library(#[source] StdError);

    let inner = err!("root").with("key", 1).with("deep", 3).hop();
    let inner_hop = line!() - 1;
    let error = Error::from(Library(inner.into_std())).with("key", 2).hop();
    let outer_hop = line!() - 1;
    assert_eq!(error.field("key"), Some(&Value::I64(2)));
    assert_eq!(error.field("deep"), Some(&Value::I64(3)));
    let hops: Vec<_> = error.hops().map(std::panic::Location::line).collect();
    assert_eq!(hops, [outer_hop, inner_hop]);
}

#[test]
fn one_behind_a_pointer_is_seen_like_a_bare_one() {
    #[derive(Debug, thiserror::Error)]
    #[error("library")]
    enum Library {
        Boxed(#[source] Box<StdError>),
        Shared(#[source] Arc<StdError>),
    }

    code!(CODE: "test", "CODE", Kind::NotFound, "Title");
    let inner = || err!(CODE, "root").with("key", 1).hop().into_std();
    let shared = Arc::new(inner());
    for error in [
        Error::from(Box::new(inner())),
        Error::from_boxed(Box::new(Box::new(inner()))),
        Error::from(Arc::clone(&shared)),
        Error::from_boxed(Box::new(Arc::clone(&shared))),
        Error::from(Library::Boxed(Box::new(inner()))),
        Error::from(Library::Shared(Arc::clone(&shared))),
    ] {
        let error = error.context("above");
        assert!(
            error.is(&CODE) && error.kind() == Kind::NotFound,
            "{error:?}"
        );
        assert_eq!(error.field("key"), Some(&Value::I64(1)), "{error:?}");
        assert_eq!(error.hops().count(), 1, "{error:?}");
        assert_eq!(error.root_cause().to_string(), "root");
    }
    assert_eq!(Arc::strong_count(&shared), 1);
}

#[test]
fn a_transparent_error_hides_the_one_it_holds_as_the_documentation_says() {
    #[derive(Debug, thiserror::Error)]
    #[error(transparent)]
    struct Library(#[from] StdError);

    code!(CODE: "test", "CODE", Kind::NotFound, "Title");
    let error = Error::from(Library(err!(CODE, "root").context("above").into_std()));
    assert_eq!(levels(&error), ["above", "root"]);
    assert!(!error.is(&CODE) && error.code().is_none());
    let Library(inner) = error.downcast().expect("made from it");
    assert!(inner.as_error().is(&CODE), "matching still finds it");
}

#[test]
fn results_of_both_worlds_take_a_context() {
    let foreign = not_found().context("reading");
    let ours = foreign.context("starting");
    let error = ours.expect_err("nothing is found");
    assert_eq!(levels(&error)[..2], ["starting", "reading"]);
    assert!(error.downcast_ref::<io::Error>().is_some());
}
