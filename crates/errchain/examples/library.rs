//! A library with an error enum of its own, and a program that uses errchain around it.
//!
//! Run `cargo run --example library`. What to look for: the library's callers match, the
//! library can still have one of ours as a cause, and the program sees through both.

use errchain::{Context, Kind, Result, StdError, code, err};

/// The library. Callers have to tell these apart, so they are an enum made with thiserror.
mod store {
    use super::{Result, StdError};

    #[derive(Debug, thiserror::Error)]
    #[non_exhaustive]
    pub(super) enum StoreError {
        #[error("no row for {0}")]
        NoRow(u64),
        /// What nobody has to tell apart. `#[source]` and not `#[error(transparent)]`, which
        /// would hide the code and the fields of what it holds.
        #[error("the store is broken")]
        Broken(#[source] StdError),
    }

    pub(super) fn get(id: u64) -> Result<&'static str, StoreError> {
        match id {
            1 => Ok("ada"),
            2 => Err(StoreError::Broken(super::checksum().into_std())),
            _ => Err(StoreError::NoRow(id)),
        }
    }
}

code!(NOT_FOUND: "user", "NOT_FOUND", Kind::NotFound, "User not found");
code!(CORRUPT: "disk", "CORRUPT", Kind::DataLoss, "Data is damaged");

fn checksum() -> errchain::Error {
    err!(CORRUPT; block = 17)
}

fn name(id: u64) -> Result<&'static str> {
    match store::get(id) {
        Err(error @ store::StoreError::NoRow(_)) => {
            Err(error).code(&NOT_FOUND).public("user_id", id)
        }
        other => other.context("asking the store"),
    }
}

fn main() -> Result<()> {
    println!("{}\n", name(1)?);
    for id in [2, 3] {
        let Err(error) = name(id) else { continue };
        println!("{error:?}");
        println!(
            "kind {}, fields {:?}\n",
            error.kind(),
            error.fields().collect::<Vec<_>>()
        );
    }
    // What the cause knew is not lost: the code and the field of `checksum`.
    assert!(name(2).is_err_and(|error| error.is(&CORRUPT) && error.field("block").is_some()));
    Ok(())
}
