//! The command line.

use std::io;
use std::path::Path;
use std::process::Child;

use crate::support::{Bench, Ran, cargo_that_passes, is_alive};

/// Runs xtask with a standard output, or both outputs, that nobody reads any more.
fn unread(bench: &Bench, line: &str, also_stderr: bool) -> Ran {
    let closed = || {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        writer
    };
    let mut command = bench.command(line);
    command.stdout(closed());
    if also_stderr {
        command.stderr(closed());
    }
    let child = command.spawn().and_then(Child::wait_with_output);
    Ran::from(child.expect("xtask is built"))
}

#[test]
fn a_reader_who_goes_away_changes_no_verdict() {
    let bench = Bench::new();
    bench.redis();
    let table = [
        ("help", 0),
        ("test --services local", 0),
        ("test --services none redis", 1),
        ("services status", 0),
        ("nonsense", 2),
    ];
    for (line, code) in table {
        for also_stderr in [false, true] {
            let ran = unread(&bench, line, also_stderr);
            assert_eq!(ran.code, Some(code), "{line}: {ran:#?}");
        }
    }
    bench.assert_nothing_is_left("pids");
}

#[test]
fn services_whose_variables_nobody_reads_stay_up_and_that_is_said() {
    let bench = Bench::new();
    bench.redis();
    let ran = unread(&bench, "services up --services local", false);
    let said = [
        "nobody read the variables",
        "services status",
        "services down",
    ];
    ran.assert_says(1, &said);
    assert!(bench.pids("pids").into_iter().all(is_alive));
    bench
        .run("services down")
        .assert_says(0, &["stopped redis"]);
    bench.assert_nothing_is_left("pids");
}

#[test]
fn a_mistake_ends_with_2_and_names_itself() {
    let bench = Bench::new();
    let table = [
        ("frobnicate", "frobnicate"),
        ("test --services", "--services"),
        ("test --services docker", "docker"),
        ("test nonsense", "nonsense"),
        ("test -p nobody", "nobody"),
        ("test postgres", "no package has postgres tests"),
        ("services", "up, down, status"),
        ("check --blessed", "--blessed"),
        ("bench nobody", "nobody"),
    ];
    for (line, named) in table {
        bench.run(line).assert_says(2, &["error: ", named]);
    }
}

#[test]
fn without_a_command_there_is_help() {
    let bench = Bench::new();
    for line in ["", "help", "--help", "test --help"] {
        let ran = bench.run(line);
        ran.assert_says(0, &[]);
        let lines = ran.stdout.lines().count();
        assert!(
            ran.stdout.contains("services up") && lines <= 24,
            "one screen: {lines} lines"
        );
    }
}

#[test]
fn a_relative_target_folder_is_the_same_for_cargo_as_for_us() {
    let bench = Bench::new();
    let script = "echo \"$CARGO_TARGET_DIR\" >>\"$BENCH/targets\"";
    let passes = cargo_that_passes(1);
    bench.program("cargo", &format!("{script}\n{passes}"));
    for line in ["test unit", "demo"] {
        let mut command = bench.command(line);
        command
            .current_dir(bench.path("crates"))
            .env("CARGO_TARGET_DIR", "built");
        Ran::from(command.output().expect("xtask is built")).assert_says(0, &[]);
    }
    let targets = std::fs::read_to_string(bench.path("targets")).expect("cargo ran");
    let built = bench.path("crates/built");
    for target in targets.lines() {
        assert_eq!(Path::new(target), built, "{targets}");
    }
}
