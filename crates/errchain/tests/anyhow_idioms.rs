//! What anyhow's documentation shows, with `use errchain as anyhow`.
//!
//! What compiles and means the same is below. What does not, and what to write instead:
//!
//! | anyhow | here |
//! |---|---|
//! | `anyhow!(error)`, `bail!(error)` with an error value | `Error::from(error)`, `return Err(error.into())` |
//! | `.context(format!(...))`, `.context(string)` | `.context(\|\| format!(...))` |
//! | `.context(value)` that is downcast to later | a field: `.with("key", value)` |
//! | `error.is::<T>()` | `error.downcast_ref::<T>().is_some()` |
//! | `error.downcast_ref::<T>()` for a `T` that is only displayed | an error type, or a field |
//! | `impl Deref<Target = dyn Error>` | `error.as_std()` |
//! | `Error::from(Box<dyn Error + Send + Sync>)` by name | `Error::from_boxed(error)` |
//! | `error.reallocate_into_boxed_dyn_error_without_backtrace()` | `Box::new(error.into_std())` |
//! | `anyhow::Ok(value)` | `Ok::<_, errchain::Error>(value)` |
//! | `ensure!(a == b)` shows both values | it shows the condition; add `; a = a, b = b` |

use std::fmt;

use errchain as anyhow;

use anyhow::{Context as _, Result, anyhow, bail, ensure};

#[derive(Debug, thiserror::Error)]
enum DataStoreError {
    #[error("censored: {0}")]
    Censored(u32),
}

fn get_cluster_info(path: &str) -> Result<String> {
    let config = std::fs::read_to_string(path)?;
    Ok(config)
}

fn read(path: &str) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("Failed to read instrs from {path}"))
}

fn attribute(missing: &str) -> anyhow::Error {
    anyhow!("Missing attribute: {}", missing)
}

fn depth(depth: usize) -> Result<()> {
    if depth > 10 {
        bail!("recursion limit of {} exceeded", 10);
    }
    ensure!(depth != 9, "only user {} is allowed", 0);
    ensure!(depth != 8);
    Ok(())
}

#[test]
fn published_idioms_compile_and_mean_the_same() {
    assert!(get_cluster_info("/no/such/file").is_err());
    let error = read("/no/such/file").unwrap_err();
    assert_eq!(
        error.to_string(),
        "Failed to read instrs from /no/such/file"
    );
    assert_eq!(error.chain().count(), 2);
    assert!(error.root_cause().is::<std::io::Error>());
    assert!(
        error
            .root_cause()
            .downcast_ref::<std::io::Error>()
            .is_some()
    );
    assert!(format!("{error:#}").starts_with("Failed to read instrs from /no/such/file: "));

    assert_eq!(attribute("id").to_string(), "Missing attribute: id");
    assert_eq!(
        depth(11).unwrap_err().to_string(),
        "recursion limit of 10 exceeded"
    );
    assert_eq!(depth(9).unwrap_err().to_string(), "only user 0 is allowed");
    assert!(depth(8).is_err() && depth(0).is_ok());
}

#[test]
fn errors_go_in_and_come_out_as_they_do_there() {
    let error = anyhow::Error::new(DataStoreError::Censored(451)).context("above");
    match error.downcast_ref::<DataStoreError>() {
        Some(DataStoreError::Censored(code)) => assert_eq!(*code, 451),
        None => unreachable!("a context does not hide it"),
    }
    let error: Result<DataStoreError, _> = error.downcast();
    assert!(error.is_ok());

    let result: Result<(), String> = Err("text".into());
    let error = result.map_err(anyhow::Error::msg).unwrap_err();
    assert_eq!(error.to_string(), "text");

    let missing: Result<u8> = None.context("no value there");
    assert_eq!(missing.unwrap_err().to_string(), "no value there");

    let boxed: Box<dyn std::error::Error + Send + Sync + 'static> = anyhow!("text").into();
    assert_eq!(boxed.to_string(), "text");
    let error = anyhow!("text");
    let error: &dyn std::error::Error = error.as_ref();
    assert!(error.source().is_none());
}

#[test]
fn main_can_return_it() {
    fn main() -> anyhow::Result<()> {
        Err(fmt::Error).context("formatting")?;
        Ok(())
    }
    let shown = format!("{:?}", main().unwrap_err());
    assert!(
        shown.starts_with("formatting\n") && shown.contains("caused by: "),
        "{shown}"
    );
}
