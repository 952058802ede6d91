//! The harness against contenders of known cost.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_known-costs");

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(args)
        .output()
        .expect("it was built")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it prints text")
}

/// One test, since all of them write the same file.
#[test]
fn known_costs_are_found_and_written() {
    let (table, report) = report("a hundred times the work");
    let row = &report["rows"][0];
    assert_eq!(row["best_peer"], "one");
    let ratio = row["ratio"]["ratio"].as_f64().expect("a number");
    // Factors of ten of room on either side: a busy machine must not decide this.
    assert!((10.0..1_000.0).contains(&ratio), "{table}");
    assert!(row["ratio"]["low"].as_f64() <= Some(ratio), "{table}");
    assert!(row["ratio"]["high"].as_f64() >= Some(ratio), "{table}");
    assert!(table.contains("ratio to one"), "{table}");
    assert_eq!(
        table.contains("TOO NOISY"),
        row["noise"] != Value::Array(vec![]),
        "{table}"
    );
    assert!(
        report["calibration"]["scale"].as_f64() > Some(0.0),
        "{table}"
    );

    let (table, report) = self::report("allocations");
    let row = &report["rows"][0];
    assert_eq!(
        (&row["best_peer"], &row["ratio"]),
        (&Value::Null, &Value::Null),
        "no peer"
    );
    let vectors = &row["contenders"][0];
    let allocations = vectors["allocations"].as_f64().expect("a number");
    let bytes = vectors["bytes"].as_f64().expect("a number");
    assert!((3.0..3.01).contains(&allocations), "{table}");
    assert!((3_000.0..3_010.0).contains(&bytes), "{table}");
    assert!(vectors["cpu_ns"].as_f64() > Some(0.0), "{table}");
    if cfg!(target_os = "linux") {
        assert!(vectors["peak_bytes"].as_u64() > Some(100_000), "{table}");
    }

    let (table, report) = self::report("new between two slices");
    let seldom = &report["rows"][0]["contenders"][0]["allocations"];
    assert!(seldom.as_f64() < Some(0.1), "{table}");

    let (table, report) = self::report("growth");
    assert_eq!(report["rows"].as_array().map(Vec::len), Some(3), "{table}");
    let growth = |contender: usize, figure: &str| {
        let growth = &report["growth"][0]["contenders"][contender];
        growth[figure].as_f64().expect("a number")
    };
    assert!((0.1..10.0).contains(&growth(0, "flatness")), "{table}");
    assert!((10.0..1_000.0).contains(&growth(1, "flatness")), "{table}");
    // A unit of the linear one takes as long as that of the first row, and one more of the other
    // as long as a hundred.
    let by = growth(1, "added_ns") / growth(0, "added_ns");
    assert!((10.0..1_000.0).contains(&by), "{table}");

    let (table, report) = self::report("one unit at each level");
    let level = |contender: usize| {
        let growth = &report["growth"][0]["contenders"][contender];
        growth["flatness"].as_f64().expect("a number")
    };
    assert!((0.1..10.0).contains(&level(0)), "{table}");
    assert!((10.0..1_000.0).contains(&level(1)), "{table}");
    assert!(table.contains(", at 100"), "{table}");

    let (table, report) = self::report("asynchronous");
    assert!(
        report["rows"][0]["contenders"][0]["ns"].as_f64() > Some(0.0),
        "{table}"
    );

    let (table, report) = self::report("the answer");
    assert_eq!(report["facts"][0]["figures"][1][1], 0.5, "{table}");
}

/// The table and the file of the rows whose names have a word.
fn report(only: &str) -> (String, Value) {
    let output = run(&["--quick", "--only", only]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let target = Path::new(PROGRAM)
        .ancestors()
        .nth(2)
        .expect("a target folder");
    let json = fs::read(target.join("bench/known-costs.json")).expect("it was written");
    let report: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(
        (&report["schema"], &report["quick"]),
        (&1.into(), &true.into())
    );
    (text(&output.stdout).to_owned(), report)
}

#[test]
fn what_cannot_be_done_is_said() {
    for (args, code, words) in [
        (&["--fast"][..], 2, "--fast"),
        (&["--only"], 2, "--only"),
        (&["--only", "no such row"], 1, "no such row"),
        (
            &["--quick", "--only", "that dies"],
            1,
            "dies in \"a contender that dies\" died: exit status: 7",
        ),
        (&["--contend", "99", "0", "1"], 1, "no such contender"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(
            text(&output.stderr).contains(words),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }
}
