//! The closing lines and the exit code.

use crate::support::{Bench, cargo_that_passes};

#[test]
fn all_passed_is_told_in_two_lines_at_the_end() {
    let bench = Bench::new();
    bench.redis();
    let ran = bench.run("test --services local");
    ran.assert_says(0, &[]);
    let lines: Vec<&str> = ran.stdout.lines().rev().take(2).collect();
    let expected = [
        "unit 3 passed | redis 3 passed (redis 0.0.0, local) | not run: 0",
        "6 passed, 0 failed",
    ];
    assert_eq!(lines, expected, "{ran:#?}");
    bench.assert_nothing_is_left("pids");
}

#[test]
fn a_failed_test_fails_the_run_even_if_its_runner_does_not() {
    let bench = Bench::new();
    let failing = cargo_that_passes(3).replace("0 failed", "1 failed");
    bench.program("cargo", &failing);
    let ran = bench.run("test unit");
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    assert_eq!(ran.last_line(), "unit 3 passed, 1 FAILED | not run: 0");
}

#[test]
fn a_tier_that_ran_nothing_fails() {
    for script in ["[ \"$1\" != nextest ]", "exit 101", &cargo_that_passes(0)] {
        let bench = Bench::new();
        bench.program("cargo", script);
        let ran = bench.run("test unit");
        assert_eq!(ran.code, Some(1), "{script}: {ran:#?}");
        assert_eq!(
            ran.last_line(),
            "unit 0 passed, FAILED: no test ran | not run: 0"
        );
    }
}

#[test]
fn without_services_the_rest_runs_and_the_line_says_what_did_not() {
    let bench = Bench::new();
    for ci in ["false", "true"] {
        let ran = bench.command("test --services none").env("CI", ci).output();
        let ran = crate::support::Ran::from(ran.expect("xtask is built"));
        ran.assert_says(0, &[]);
        let expected = "unit 3 passed | not run: 1 (redis: --services none)";
        assert_eq!(ran.last_line(), expected, "CI={ci}: {ran:#?}");
    }
}

#[test]
fn a_required_service_that_is_not_there_fails_with_ways_to_fix_it() {
    let bench = Bench::new();
    let ran = bench.run("test --require redis --services local");
    let fixes = [
        "neither redis-server nor valkey-server",
        "apt-get install",
        "docker pull",
    ];
    ran.assert_says(1, &fixes);
    let expected = "unit 3 passed | redis FAILED: required and not run (no redis) | not run: 0";
    assert_eq!(ran.last_line(), expected);

    let ran = bench.run("test --services local");
    ran.assert_says(0, &fixes);
    let expected = "unit 3 passed | not run: 1 (redis: no redis)";
    assert_eq!(ran.last_line(), expected, "not required, so not a failure");
}

#[test]
fn tests_that_need_a_server_get_it_and_are_not_left_out() {
    let bench = Bench::new();
    bench.redis();
    let script = "[ -z \"$TEST_REDIS_URL\" ] || echo \"$TEST_REDIS_URL $REDIS_SERVER_BIN $*\" >>\"$BENCH/seen\"";
    bench.program("cargo", &format!("{script}\n{}", cargo_that_passes(1)));
    bench
        .run("test --services local --repeat 2")
        .assert_says(0, &[]);
    let seen = std::fs::read_to_string(bench.path("seen")).expect("the tests ran");
    assert_eq!(
        seen.lines().count(),
        2,
        "once a turn, and not for `unit`: {seen}"
    );
    for word in [
        "redis://127.0.0.1:",
        "bin/redis-server",
        "--test redis",
        "--include-ignored",
    ] {
        assert!(seen.contains(word), "no {word:?} in {seen}");
    }
}

#[test]
fn a_full_run_has_a_hundred_times_the_cases_unless_somebody_gave_a_number() {
    let bench = Bench::new();
    let script = "echo \"${PROPTEST_CASES-none}\" >>\"$BENCH/cases\"";
    bench.program("cargo", &format!("{script}\n{}", cargo_that_passes(1)));
    for (line, given, expected) in [
        ("test unit", None, "none"),
        ("test unit --full", None, "25600"),
        ("test unit --full", Some("7"), "7"),
    ] {
        let mut command = bench.command(line);
        command.envs(given.map(|number| ("PROPTEST_CASES", number)));
        let ran = command.output().expect("xtask is built");
        crate::support::Ran::from(ran).assert_says(0, &[]);
        let cases = std::fs::read_to_string(bench.path("cases")).expect("cargo ran");
        assert_eq!(cases.lines().last(), Some(expected), "{line}, {given:?}");
    }
}

#[test]
fn every_tier_names_the_same_packages_so_that_nothing_is_built_twice() {
    let bench = Bench::new();
    bench.redis();
    bench.write("crates/a/src/lib.rs", "/// ```\n/// ```\n");
    bench.write("crates/b/Cargo.toml", "[package]\nname = \"b\"\n");
    bench.write("crates/b/src/main.rs", "");
    bench.write("crates/b/tests/redis.rs", "");
    for (line, packages) in [
        (
            "test -p a -p b unit doc redis --services local",
            "-p a -p b",
        ),
        ("test unit doc redis --services local", "--workspace"),
    ] {
        bench.write("cargo.log", "");
        bench.run(line).assert_says(0, &[]);
        let log = std::fs::read_to_string(bench.path("cargo.log")).expect("cargo ran");
        assert_eq!(log.lines().count(), 3, "{log}");
        for command in log.lines() {
            assert!(command.contains(packages), "no {packages:?} in {command}");
        }
    }
}
