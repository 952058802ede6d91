//! The real redis-server and PostgreSQL of this machine, however their owner ends.

#![cfg(unix)]

#[expect(dead_code, reason = "it has more stand-ins than are of use here")]
#[path = "promises/support.rs"]
mod support;

use std::fs;
use std::process::Command;
use std::time::Duration;

use support::{Bench, Ran, Xtask, is_alive, wait_for};

/// Has xtask find the server programs that `cargo xtask test` found, and no others.
fn with_programs(command: &mut Command) -> &mut Command {
    for variable in ["REDIS_SERVER_BIN", "PG_BIN_DIR"] {
        let place = std::env::var_os(variable);
        command.env(
            variable,
            place.expect("`cargo xtask test chaos` tells where redis and postgres are"),
        );
    }
    command
}

/// The same command, by a shell that sets the umask first.
fn with_umask(umask: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", r#"umask "$0"; exec "$@""#, umask])
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        shell.env(name, value.expect("the environment is cleared"));
    }
    shell.current_dir(command.get_current_dir().expect("the bench has a folder"));
    shell
}

/// The servers of the bench, by what their records say.
fn servers(bench: &Bench) -> Vec<u32> {
    let records = bench
        .run_folders()
        .into_iter()
        .map(|folder| folder.join("record"));
    let text: String = records
        .filter_map(|record| fs::read_to_string(record).ok())
        .collect();
    text.lines()
        .filter_map(|line| line.strip_prefix("process ")?.parse().ok())
        .collect()
}

#[test]
#[ignore = "needs server binaries"]
fn servers_answer_while_they_are_up_and_are_gone_after_down() {
    let bench = Bench::new();
    // Made by xtask it would be private, and the servers would live in the temporary folder.
    bench.write("target/made", "");
    for (turn, umask) in [
        ("a new data folder in spite of a private umask", "077"),
        ("a copy of the cached one", "022"),
    ] {
        let command = bench.command("services up --services local --timings");
        let up = with_programs(&mut with_umask(umask, &command)).output();
        let up = Ran::from(up.expect("xtask is built"));
        up.assert_says(0, &["redis: redis ", "postgres: "]);
        let pids = servers(&bench);
        assert_eq!(pids.len(), 2, "{turn}: {up:#?}");
        for line in up.stdout.lines() {
            let (_, rest) = line.split_once("127.0.0.1:").expect("a loopback address");
            let port = rest.split('/').next().unwrap_or(rest);
            let address = format!("127.0.0.1:{port}").parse().expect("an address");
            let connected = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5));
            assert!(connected.is_ok(), "{turn}: {line}: {connected:?}");
        }
        bench
            .run("services down")
            .assert_says(0, &["stopped redis", "stopped postgres"]);
        wait_for("the servers to go", || {
            !pids.iter().any(|pid| is_alive(*pid))
        });
        assert!(bench.run_folders().is_empty(), "{turn}");
    }
}

#[test]
#[ignore = "needs server binaries"]
fn a_killed_run_takes_both_servers_and_all_their_processes_with_it() {
    let bench = Bench::new();
    bench.write("crates/a/tests/postgres.rs", "");
    let script = "[ \"$1\" != nextest ] || exit 1\necho $$ >>\"$BENCH/tests\"\nsleep 600";
    bench.program("cargo", script);
    let mut command = bench.command("test redis postgres --services local");
    let mut xtask = Xtask::spawn(with_programs(&mut command));
    wait_for("the tests to begin", || bench.pids("tests").len() == 1);
    let pids = servers(&bench);
    assert_eq!(pids.len(), 2, "both are up");
    xtask.kill();
    bench.assert_nothing_is_left("tests");
    let folder = bench.path("target/services/run");
    let folder = folder.to_string_lossy();
    let listing = Command::new("ps")
        .args(["-A", "-ww", "-o", "args="])
        .output()
        .expect("ps is there");
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    assert!(
        !listing.contains(&*folder),
        "a process of Postgres is left:\n{listing}"
    );
    assert!(!pids.into_iter().any(is_alive), "a server is left");
}
