//! Where services come from, and what is said when they do not.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Bench, docker, fake_redis, is_alive, wait_for};

const ONLY_CONTAINERS: &str = "test redis --services container";

#[test]
fn an_absent_engine_is_told_from_a_dead_and_from_a_hung_one() {
    let table = [
        ("", "no docker; no podman"),
        (
            "echo 'Cannot connect to the daemon' >&2; exit 1",
            "Cannot connect to the daemon",
        ),
        ("sleep 600", "`docker info`: no answer within 5 s"),
    ];
    for (script, said) in table {
        let bench = Bench::new();
        if !script.is_empty() {
            bench.program("docker", script);
        }
        let started = Instant::now();
        bench
            .run(ONLY_CONTAINERS)
            .assert_says(1, &[said, "docker pull redis:8"]);
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{said}: {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn a_missing_image_is_named_and_offline_nothing_is_pulled() {
    let bench = Bench::new();
    bench.program(
        "docker",
        &docker("pull) echo 'no route to the registry' >&2; exit 1 ;;"),
    );
    let said = [
        "docker answers, but has no image redis:8 or redis:local",
        "no route to",
    ];
    bench.run(ONLY_CONTAINERS).assert_says(1, &said);

    let bench = Bench::new();
    bench.program("docker", &docker("pull) echo pulled >&2; exit 1 ;;"));
    bench
        .run(&format!("{ONLY_CONTAINERS} --offline"))
        .assert_says(1, &["--offline"]);
    let asked = fs::read_to_string(bench.path("docker.log")).expect("docker was asked");
    assert!(!asked.contains("pull "), "{asked}");
}

#[test]
fn an_image_that_somebody_names_is_not_replaced_by_a_stand_in() {
    let bench = Bench::new();
    bench.program(
        "docker",
        &docker("image) [ \"$3\" = redis:local ] || exit 1 ;;\npull) exit 1 ;;"),
    );
    let ran = bench
        .command(ONLY_CONTAINERS)
        .env("XTASK_REDIS_IMAGE", "valkey:9")
        .output();
    let ran = crate::support::Ran::from(ran.expect("xtask is built"));
    ran.assert_says(1, &["has no image valkey:9"]);
}

#[test]
fn a_container_is_reachable_from_this_machine_only_and_removed_at_the_end() {
    let bench = Bench::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|it| it.local_addr())
        .expect("free")
        .port();
    let mut server = Command::new(fake_redis())
        .args(["--port", &port.to_string()])
        .env("FAKE_PIDS", bench.path("pids"))
        .stdout(Stdio::null())
        .spawn()
        .expect("it is built");
    let cases = format!(
        "image) [ \"$3\" = redis:local ] || exit 1 ;;\npull) exit 1 ;;\nrun) ;;\nport) echo 127.0.0.1:{port} ;;"
    );
    bench.program("docker", &docker(&cases));
    let ran = bench.run(ONLY_CONTAINERS);
    server
        .kill()
        .and_then(|()| server.wait())
        .expect("it is ours");
    ran.assert_says(0, &["using redis:local in place of redis:8"]);
    assert_eq!(
        ran.last_line(),
        "redis 3 passed (redis 0.0.0, container) | not run: 0"
    );
    let asked = fs::read_to_string(bench.path("docker.log")).expect("docker was asked");
    let run = asked
        .lines()
        .find(|line| line.starts_with("run "))
        .expect("it was run");
    for word in [
        "--publish 127.0.0.1::6379",
        "--tmpfs /data",
        "--label xtask.home=",
    ] {
        assert!(run.contains(word), "no {word:?} in {run}");
    }
    let name = run
        .split(' ')
        .skip_while(|word| *word != "--name")
        .nth(1)
        .expect("it has a name");
    assert!(
        asked.contains(&format!("rm --force --volumes {name}")),
        "{asked}"
    );
    assert!(bench.run_folders().is_empty());
}

#[test]
fn a_container_that_dies_at_start_shows_its_last_words_and_is_removed() {
    let bench = Bench::new();
    let cases = "image | run) ;;\nport) exit 1 ;;\nlogs) echo 'out of memory, sorry' ;;";
    bench.program("docker", &docker(cases));
    bench
        .run(ONLY_CONTAINERS)
        .assert_says(1, &["out of memory, sorry"]);
    let asked = fs::read_to_string(bench.path("docker.log")).expect("docker was asked");
    assert!(asked.contains("rm --force --volumes xtask-"), "{asked}");
    assert!(bench.run_folders().is_empty());
}

#[test]
fn a_port_that_was_taken_meanwhile_is_replaced_by_another() {
    let bench = Bench::new();
    bench.redis();
    let mut command = bench.command("test redis --services local");
    let ran = command
        .env("FAKE_REDIS", "port taken twice")
        .output()
        .expect("xtask is built");
    crate::support::Ran::from(ran).assert_says(0, &[]);
    assert_eq!(bench.pids("pids").len(), 3, "two tries and a success");
}

#[test]
fn a_server_that_dies_at_start_shows_its_last_words() {
    let bench = Bench::new();
    bench.redis();
    let mut command = bench.command("test redis --services local");
    let ran = command
        .env("FAKE_REDIS", "dies")
        .output()
        .expect("xtask is built");
    let said = ["it died at start", "# Can't open the log of luck: exiting"];
    crate::support::Ran::from(ran).assert_says(1, &said);
    bench.assert_nothing_is_left("pids");
}

#[test]
fn a_url_that_answers_is_used_as_it_is_and_one_that_does_not_is_named() {
    let bench = Bench::new();
    bench.redis();
    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|it| it.local_addr())
        .expect("free");
    let url = format!("redis://:secret@{closed}");
    let ran = bench
        .command("test redis")
        .env("TEST_REDIS_URL", url)
        .output();
    let ran = crate::support::Ran::from(ran.expect("xtask is built"));
    ran.assert_says(0, &[]);
    assert!(
        ran.last_line().contains("local"),
        "the next source had it: {ran:#?}"
    );

    let up = bench.run("services up --services local");
    let url = up
        .stdout
        .trim()
        .strip_prefix("export TEST_REDIS_URL=")
        .expect("a line for eval");
    let ran = bench
        .command("test redis")
        .env("TEST_REDIS_URL", url)
        .output();
    let ran = crate::support::Ran::from(ran.expect("xtask is built"));
    assert_eq!(
        ran.last_line(),
        "redis 3 passed (redis 0.0.0, env) | not run: 0",
        "{ran:#?}"
    );
    bench
        .run("services down")
        .assert_says(0, &["stopped redis"]);
}

#[test]
fn services_stay_up_until_they_are_taken_down() {
    let bench = Bench::new();
    bench.redis();
    let first = bench.run("services up --services local");
    let pids = bench.pids("pids");
    assert!(
        pids.iter().all(|pid| is_alive(*pid)) && pids.len() == 1,
        "{first:#?}"
    );
    let second = bench.run("services up --services local");
    assert_eq!(second.stdout, first.stdout, "the same server");
    assert!(second.stderr.contains("up already: redis"), "{second:#?}");
    assert!(
        bench
            .run("services status")
            .stdout
            .contains("redis 0.0.0, local")
    );
    // A test run of its own in between neither uses nor ends them.
    bench.run("test redis --services local").assert_says(0, &[]);
    assert!(is_alive(pids[0]));
    bench
        .run("services down")
        .assert_says(0, &["stopped redis"]);
    bench.assert_nothing_is_left("pids");
    bench
        .run("services down")
        .assert_says(0, &["nothing was up"]);
}

#[test]
fn what_was_kept_and_died_is_forgotten() {
    let bench = Bench::new();
    bench.redis();
    bench.run("services up --services local");
    let pid = bench.pids("pids")[0];
    crate::support::signal("KILL", &pid.to_string());
    wait_for("the server to die", || !is_alive(pid));
    let status = bench.run("services status");
    assert!(status.stdout.contains("nothing is up"), "{status:#?}");
    bench.run("test redis --services local").assert_says(0, &[]);
    bench.assert_nothing_is_left("pids");
}
