//! An error on its way up.

#![allow(
    clippy::needless_question_mark,
    reason = "what `?` costs is the question"
)]

use std::hint::black_box;

use bench::{Row, each};

use crate::io;

pub(crate) fn rows() -> Vec<Row> {
    vec![
        happy(),
        contexts(),
        hops(),
        is_code(),
        growth_of_contexts(),
        growth_of_fields(),
        growth_of_rendering(),
    ]
}

/// Ten functions, each of which hands on what the one below it returned.
macro_rules! frames {
    ($name:ident, $result:ty, $leaf:expr, |$below:ident| $pass:expr) => {
        #[inline(never)]
        fn $name(frames: u64, number: u64) -> $result {
            if frames == 0 {
                let leaf: fn(u64) -> $result = $leaf;
                return leaf(number);
            }
            let $below = black_box($name(frames - 1, number));
            $pass
        }
    };
}

/// A function that fails for the number 0 with an error of the contender's own. A call for
/// everybody, so that ten frames and a leaf are what each of them goes through.
macro_rules! may_fail {
    ($name:ident, $result:ty, $error:expr) => {
        #[inline(never)]
        fn $name(number: u64) -> $result {
            if number == 0 {
                return Err($error);
            }
            Ok(number + 1)
        }
    };
}

fn happy() -> Row {
    type Root = Result<u64, rootcause::Report>;

    may_fail!(
        plain_leaf,
        std::io::Result<u64>,
        std::io::Error::from_raw_os_error(2)
    );
    may_fail!(our_leaf, errchain::Result<u64>, errchain::err!("zero"));
    may_fail!(anyhow_leaf, anyhow::Result<u64>, anyhow::anyhow!("zero"));
    may_fail!(eyre_leaf, eyre::Result<u64>, eyre::eyre!("zero"));
    may_fail!(root_leaf, Root, rootcause::report!("zero"));
    frames!(plain, std::io::Result<u64>, plain_leaf, |below| Ok(
        below? + 1
    ));
    frames!(
        ours,
        errchain::Result<u64>,
        our_leaf,
        |below| Ok(below? + 1)
    );
    frames!(anyhow_, anyhow::Result<u64>, anyhow_leaf, |below| Ok(
        below? + 1
    ));
    frames!(eyre_, eyre::Result<u64>, eyre_leaf, |below| Ok(below? + 1));
    frames!(root_, Root, root_leaf, |below| Ok(below? + 1));
    Row::new("no error through ten frames")
        .ours("errchain", |_| each(|| ours(10, black_box(1))))
        .peer("io::Error", |_| each(|| plain(10, black_box(1))))
        .peer("anyhow", |_| each(|| anyhow_(10, black_box(1))))
        .peer("eyre", |_| each(|| eyre_(10, black_box(1))))
        .peer("rootcause", |_| each(|| root_(10, black_box(1))))
}

fn contexts() -> Row {
    let row = Row::new("ten contexts")
        .ours("errchain", |_| {
            use errchain::Context as _;
            frames!(ours, errchain::Result<()>, |_| Ok(io()?), |below| below
                .context("above"));
            each(|| ours(10, 0))
        })
        .peer("anyhow", |_| {
            use anyhow::Context as _;
            frames!(theirs, anyhow::Result<()>, |_| Ok(io()?), |below| below
                .context("above"));
            each(|| theirs(10, 0))
        })
        .peer("eyre", |_| {
            use eyre::WrapErr as _;
            frames!(theirs, eyre::Result<()>, |_| Ok(io()?), |below| below
                .wrap_err("above"));
            each(|| theirs(10, 0))
        })
        .peer("error-stack", |_| {
            use error_stack::ResultExt as _;
            type Result = core::result::Result<(), error_stack::Report<std::fmt::Error>>;
            frames!(
                theirs,
                Result,
                |_| io().change_context(std::fmt::Error),
                |below| below.change_context(std::fmt::Error)
            );
            each(|| theirs(10, 0))
        });
    contexts_of_the_others(row)
}

fn contexts_of_the_others(row: Row) -> Row {
    row.peer("snafu", |_| {
        use snafu::ResultExt as _;
        type Result = core::result::Result<(), Box<Whatever>>;
        frames!(theirs, Result, |_| io().whatever_context("leaf"), |below| {
            below.whatever_context("above")
        });
        each(|| theirs(10, 0))
    })
    .peer("rootcause", |_| {
        use rootcause::prelude::ResultExt as _;
        type Result = core::result::Result<(), rootcause::Report>;
        frames!(theirs, Result, |_| Ok(io()?), |below| Ok(
            below.context("above")?
        ));
        each(|| theirs(10, 0))
    })
    .peer("exn", |_| {
        use exn::ResultExt as _;
        frames!(
            theirs,
            exn::Result<(), std::fmt::Error>,
            |_| io().or_raise(|| std::fmt::Error),
            |below| below.or_raise(|| std::fmt::Error)
        );
        each(|| theirs(10, 0))
    })
    .peer("ohno", |_| {
        use ohno::{EnrichableExt as _, IntoAppError as _};
        type Result = core::result::Result<(), ohno::AppError>;
        frames!(theirs, Result, |_| io().into_app_err("leaf"), |below| below
            .map_err(|error| error.enrich("above")));
        each(|| theirs(10, 0))
    })
}

/// snafu's own `Whatever` always captures a stack.
#[derive(Debug, snafu::Snafu)]
#[snafu(whatever, display("{message}"))]
struct Whatever {
    message: String,
    #[snafu(source(from(Box<dyn std::error::Error>, Some)))]
    source: Option<Box<dyn std::error::Error>>,
}

impl snafu::FromString for Box<Whatever> {
    type Source = Box<dyn std::error::Error>;
    fn without_source(message: String) -> Self {
        Box::new(Whatever {
            message,
            source: None,
        })
    }
    fn with_source(source: Self::Source, message: String) -> Self {
        Box::new(Whatever {
            message,
            source: Some(source),
        })
    }
}

fn hops() -> Row {
    frames!(anyhow_, anyhow::Result<()>, |_| Ok(io()?), |below| Ok(
        below?
    ));
    frames!(eyre_, eyre::Result<()>, |_| Ok(io()?), |below| Ok(below?));
    Row::new("ten recorded hops, peers record none")
        .ours("errchain", |_| {
            use errchain::Context as _;
            frames!(ours, errchain::Result<()>, |_| Ok(io()?), |below| below
                .hop());
            each(|| ours(10, 0))
        })
        .peer("anyhow, `?`", |_| each(|| anyhow_(10, 0)))
        .peer("eyre, `?`", |_| each(|| eyre_(10, 0)))
}

fn is_code() -> Row {
    errchain::code!(CODE: "user", "NOT_FOUND", errchain::Kind::NotFound, "User not found");
    Row::new("whose error it is, under ten contexts")
        .ours("errchain, is(&CODE)", |_| {
            let error = (0..10).fold(errchain::err!(CODE), |error, _| error.context("above"));
            each(move || black_box(&error).is(&CODE))
        })
        .peer("anyhow, downcast_ref", |_| {
            let error = anyhow::Error::new(std::fmt::Error);
            let error = (0..10).fold(error, |error, _| error.context("above"));
            each(move || {
                black_box(&error)
                    .downcast_ref::<std::fmt::Error>()
                    .is_some()
            })
        })
        .peer("eyre, downcast_ref", |_| {
            let error = eyre::Report::new(std::fmt::Error);
            let error = (0..10).fold(error, |error, _| error.wrap_err("above"));
            each(move || {
                black_box(&error)
                    .downcast_ref::<std::fmt::Error>()
                    .is_some()
            })
        })
}

fn deep(depth: u64) -> errchain::Error {
    (0..depth)
        .fold(io().map_err(errchain::Error::from).err(), |error, _| {
            error.map(|error| error.context("above"))
        })
        .expect("it fails")
}

fn growth_of_contexts() -> Row {
    Row::new("contexts")
        .sizes([1, 10, 100, 1_000])
        .ours("errchain", |depth| each(move || deep(depth)))
        .peer("anyhow", |depth| {
            each(move || {
                let error = anyhow::Error::from(std::io::Error::from_raw_os_error(2));
                (0..depth).fold(error, |error, _| error.context("above"))
            })
        })
}

fn growth_of_fields() -> Row {
    Row::new("fields")
        .sizes([1, 10, 100])
        .ours("errchain", |fields| {
            each(move || {
                (0..fields).fold(errchain::err!("root"), |error, number| {
                    error.with("key", number)
                })
            })
        })
}

fn growth_of_rendering() -> Row {
    Row::new("rendering the chain")
        .sizes([1, 10, 100, 1_000])
        .ours("errchain, report", |depth| {
            let error = deep(depth);
            each(move || error.report().to_string())
        })
        .peer("anyhow, {:?}", |depth| {
            let error = anyhow::Error::from(std::io::Error::from_raw_os_error(2));
            let error = (0..depth).fold(error, |error, _| error.context("above"));
            each(move || format!("{error:?}"))
        })
}
