//! However a run ends, it leaves no process and no folder.

use std::path::Path;

use crate::support::{Bench, Xtask, cargo_that_passes, is_alive, signal, wait_for};

/// A bench on which the tests have just begun, and never end by themselves.
fn in_the_middle() -> (Bench, Xtask) {
    let bench = Bench::new();
    bench.redis();
    // The tests and a process that they started.
    let script = "[ \"$1\" != nextest ] || exit 1\nsleep 600 &\n\
                  echo $! >>\"$BENCH/tests\"\necho $$ >>\"$BENCH/tests\"\nwait";
    bench.program("cargo", script);
    let xtask = bench.start("test redis --services local");
    wait_for("the tests to begin", || bench.pids("tests").len() == 2);
    assert_eq!(bench.pids("pids").len(), 1, "the server is up");
    assert_eq!(bench.run_folders().len(), 1, "and has its folder");
    (bench, xtask)
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    let (bench, mut xtask) = in_the_middle();
    xtask.interrupt();
    bench.assert_nothing_is_left("pids");
    bench.assert_nothing_is_left("tests");
}

#[test]
fn a_killed_xtask_leaves_neither_servers_nor_tests_behind() {
    let (bench, mut xtask) = in_the_middle();
    xtask.kill();
    bench.assert_nothing_is_left("pids");
    bench.assert_nothing_is_left("tests");
}

#[test]
fn what_a_crash_left_behind_is_swept_at_the_next_start() {
    let (bench, mut xtask) = in_the_middle();
    let keeper = keeper_of(&bench);
    signal("KILL", &keeper.to_string());
    wait_for("the keeper to die", || !is_alive(keeper));
    xtask.kill();
    let server = bench.pids("pids")[0];
    assert!(
        is_alive(server) && bench.run_folders().len() == 1,
        "nobody is left to clear up"
    );

    bench.program("cargo", &cargo_that_passes(1));
    bench.run("test redis --services local").assert_says(0, &[]);
    bench.assert_nothing_is_left("pids");
    // A process that lost its parent is known by its environment, which not every system shows.
    if Path::new("/proc/self/environ").exists() {
        bench.assert_nothing_is_left("tests");
    }
    for pid in bench.pids("tests") {
        signal("KILL", &pid.to_string());
    }
}

#[test]
fn a_keeper_that_died_fails_the_run_and_what_it_kept_is_cleared_up() {
    let bench = Bench::new();
    bench.redis();
    // The keeper is the parent of the server.
    let kill = r#"kill -KILL $(ps -o ppid= -p "$(cat "$BENCH/pids")")"#;
    let script = format!("{}\n{kill}", cargo_that_passes(3));
    bench.program("cargo", &script);
    let ran = bench.run("test redis --services local");
    ran.assert_says(1, &["servers: their keeper ended with signal: 9"]);
    let expected = "redis 3 passed (redis 0.0.0, local) | servers FAILED: their keeper ended with signal: 9 (SIGKILL) | not run: 0";
    assert_eq!(ran.last_line(), expected);
    bench.assert_nothing_is_left("pids");
}

#[test]
fn a_folder_whose_process_id_is_somebody_elses_by_now_costs_nobody_their_life() {
    let bench = Bench::new();
    bench.redis();
    let mut stranger = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .expect("there");
    let folder = "target/services/run/1-ab-redis";
    bench.write(
        &format!("{folder}/record"),
        &format!("process {}\n", stranger.id()),
    );
    bench.run("test redis --services local").assert_says(0, &[]);
    bench.assert_nothing_is_left("pids");
    assert!(
        is_alive(stranger.id()),
        "its command line has nothing of ours"
    );
    stranger
        .kill()
        .and_then(|()| stranger.wait())
        .expect("it is our child");
}

#[test]
fn a_run_that_goes_on_is_not_touched_by_another() {
    let (bench, mut xtask) = in_the_middle();
    let server = bench.pids("pids")[0];
    bench
        .run("services down")
        .assert_says(0, &["nothing was up"]);
    assert!(is_alive(server));
    xtask.interrupt();
    bench.assert_nothing_is_left("pids");
}

/// The parent of the server, which is named after the run in the folder's name.
fn keeper_of(bench: &Bench) -> u32 {
    let server = bench.pids("pids")[0];
    let ps = std::process::Command::new("ps")
        .args(["-o", "ppid=", "-p", &server.to_string()])
        .output();
    let parent = String::from_utf8_lossy(&ps.expect("ps is there").stdout)
        .trim()
        .to_owned();
    parent.parse().expect("a process id")
}
