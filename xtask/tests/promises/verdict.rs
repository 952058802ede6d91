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
        .run("test --services local --full --repeat 2")
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
