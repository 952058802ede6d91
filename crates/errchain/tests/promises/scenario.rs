//! One error rendered to every format, compared with the files in `tests/snapshots`.
//!
//! `BLESS=1 cargo test` writes them anew.

use std::path::Path;
use std::time::Duration;

use errchain::{Audience, Context, Error, Kind, Result, Sensitive, StdError, Value, code, err};

code!(NO_ROW: "db", "NO_ROW", Kind::NotFound, "No such row");
code!(BUSY: "user", "BUSY", Kind::Unavailable, "Try again later");

#[derive(Debug, thiserror::Error)]
#[error("pool exhausted after {waited:?}")]
struct PoolError {
    waited: Duration,
    #[source]
    cause: StdError,
}

fn connect() -> Result<(), PoolError> {
    let cause = err!(NO_ROW, "no row\nin table")
        .with("shard", 3_u8)
        .context("asking the registry");
    Err(PoolError {
        waited: Duration::from_millis(250),
        cause: cause.into_std(),
    })
}

fn load(id: u64) -> Result<()> {
    connect()
        .context(|| format!("loading user {id}"))
        .public("user_id", id)
        .with("email", Sensitive::new("ada@example.org"))
        .with("name", "Ada \"the first\"\u{1b}[31m".to_owned())
}

fn handle() -> Result<()> {
    load(7)
        .hop()
        .code(&BUSY)
        .with("took", Duration::from_millis(1_500))
        .with("ratio", 0.5)
}

fn scenario() -> Error {
    handle()
        .hop()
        .with("missing", None::<u8>)
        .with("peer", Value::display("::1"))
        .expect_err("nothing is found")
}

#[cfg_attr(miri, ignore = "it reads files, which Miri keeps it from")]
#[test]
fn one_scenario_renders_to_every_format_as_recorded() {
    let _quiet = crate::support::without_stacks();
    let error = scenario();
    let report = error.report();
    for (name, text) in [
        ("display.txt", error.to_string()),
        ("chain.txt", format!("{error:#}")),
        ("debug.txt", format!("{error:?}")),
        ("log.txt", report.to_string()),
        ("coloured.txt", report.coloured(true).to_string()),
        ("client.txt", report.audience(Audience::Client).to_string()),
        ("log.json", report.json().to_string()),
        (
            "operator.json",
            report.json().audience(Audience::Operator).to_string(),
        ),
        (
            "client.json",
            report.json().audience(Audience::Client).to_string(),
        ),
    ] {
        compare(name, &text);
    }
}

fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(name);
    // Where the sources lie depends on the platform and on who builds them.
    let text = text.replace(file!(), "scenario.rs") + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).expect("the sources are writable");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text,
        expected.replace("\r\n", "\n"),
        "{name}: look, then run with BLESS=1"
    );
}
