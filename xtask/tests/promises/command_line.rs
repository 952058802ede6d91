//! The command line.

use crate::support::Bench;

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
