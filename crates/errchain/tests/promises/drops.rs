//! Nothing is leaked and nothing is dropped twice.

use errchain::{Error, Value, err};

use crate::support::Counted;

#[test]
fn whatever_happens_to_an_error_its_root_is_dropped_once() {
    type End = fn(Error);
    let ends: [(&str, End, usize); 7] = [
        ("dropped", drop, 1),
        ("given a context", |error| drop(error.context("above")), 1),
        ("downcast", |error| drop(error.downcast::<Counted>()), 1),
        (
            "downcast wrongly",
            |error| drop(error.downcast::<std::fmt::Error>()),
            1,
        ),
        ("made std", |error| drop(error.into_std()), 1),
        (
            "made std and back",
            |error| drop(Error::from(error.into_std())),
            1,
        ),
        (
            "boxed",
            |error| drop(Box::<dyn std::error::Error>::from(error)),
            1,
        ),
    ];
    for (what, end, drops) in ends {
        for wrap in [Error::new, |error| Error::from_boxed(Box::new(error))] {
            let counted = Counted::default();
            end(wrap(counted.twin()));
            assert_eq!(counted.drops(), drops, "{what}");
        }
    }
}

#[test]
fn values_and_owned_contexts_are_dropped_with_the_error() {
    for records in [1, 5, 6, 13, 14, 50] {
        let counted = Counted::default();
        let mut error = err!("root");
        for _ in 0..records {
            error = error
                .with("value", Value::display(counted.twin()))
                .context(|| "an owned one".to_owned());
        }
        assert_eq!(counted.drops(), 0);
        drop(error);
        assert_eq!(counted.drops(), records);
    }
}

#[test]
fn a_value_that_cannot_be_made_takes_nothing_with_it_but_the_error() {
    struct Unmakeable;
    impl From<Unmakeable> for Value {
        fn from(_: Unmakeable) -> Self {
            std::panic::resume_unwind(Box::new(()))
        }
    }
    // The last one before a block is full, the first one behind it, and where there is no node.
    for records in [0, 10, 11, 12] {
        let counted = Counted::default();
        let mut error = err!("root");
        for _ in 0..records {
            error = error.with("value", Value::display(counted.twin())).hop();
        }
        let failing = std::panic::AssertUnwindSafe(|| drop(error.with("value", Unmakeable)));
        assert!(std::panic::catch_unwind(failing).is_err());
        assert_eq!(counted.drops(), records);
    }
}

#[test]
fn a_lone_value_is_dropped_with_the_error() {
    let counted = Counted::default();
    drop(err!("root").with("value", Value::display(counted.twin())));
    assert_eq!(counted.drops(), 1);
}

#[test]
fn records_are_dropped_when_the_root_is_taken_out() {
    let root = Counted::default();
    let value = Counted::default();
    let error = Error::new(root.twin()).with("value", Value::display(value.twin()));
    let taken: Counted = error.downcast().expect("made from it");
    assert_eq!((root.drops(), value.drops()), (0, 1));
    drop(taken);
    assert_eq!(root.drops(), 1);
}

#[test]
fn a_million_levels_are_dropped_and_walked_without_stack() {
    let levels = if cfg!(miri) { 1_000 } else { 1_000_000 };
    let small_stack = std::thread::Builder::new().stack_size(64 * 1024);
    let thread = small_stack.spawn(move || {
        let mut error = err!("root");
        for _ in 0..levels {
            error = error.context("above");
        }
        assert_eq!(error.chain().take(100).count(), 100);
        assert_eq!(error.root_cause().to_string(), "root");
        drop(error);
    });
    thread
        .expect("a thread can be started")
        .join()
        .expect("64 KiB of stack are enough");
}
