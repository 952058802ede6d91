//! A small workspace with the programs that xtask finds there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What shell scripts and xtask itself may call.
const TOOLS: [&str; 8] = ["sh", "cat", "sleep", "ps", "kill", "grep", "mkdir", "rm"];

/// Paid only by a test that fails.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Bench {
    dir: PathBuf,
}

impl Bench {
    /// One package with a unit test and a test that needs Redis; a cargo that runs neither; and
    /// no server and no engine at all.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // One test process has many threads, and nextest has many processes.
        let id = format!(
            "{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::SeqCst)
        );
        let dir = std::env::temp_dir().join(format!("xtask-promises-{id}"));
        fs::create_dir_all(&dir).expect("the temporary folder is writable");
        let bench = Self {
            dir: dir.canonicalize().expect("it was just made"),
        };
        bench.write("Cargo.toml", "[workspace]\n");
        bench.write("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n");
        bench.write("crates/a/Cargo.toml", "[package]\nname = \"a\"\n");
        bench.write("crates/a/src/lib.rs", "");
        bench.write("crates/a/tests/redis.rs", "");
        bench.write("postgres/empty", "");
        bench.link_tools();
        bench.program("cargo", &cargo_that_passes(3));
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    /// Puts a shell script into the path. `$BENCH` is the workspace's folder.
    pub(crate) fn program(&self, name: &str, script: &str) {
        self.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
        let path = self.path("bin").join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
    }

    /// Puts the stand-in for redis-server into the path.
    pub(crate) fn redis(&self) {
        self.program("redis-server", &format!("exec '{}' \"$@\"", fake_redis()));
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(line.split_whitespace())
            .current_dir(&self.dir)
            .env_clear();
        command
            .env("PATH", self.path("bin"))
            .env("BENCH", &self.dir)
            .env("FAKE_PIDS", self.path("pids"))
            .env("CARGO", self.path("bin/cargo"))
            .env("CARGO_MANIFEST_DIR", self.path("xtask"))
            .env("CARGO_TARGET_DIR", self.path("target"))
            // A distribution's PostgreSQL is found without the path; this folder has none.
            .env("PG_BIN_DIR", self.path("postgres"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        Ran::from(self.command(line).output().expect("xtask is built"))
    }

    /// Starts xtask as the leader of a process group, as a shell does.
    pub(crate) fn start(&self, line: &str) -> Xtask {
        Xtask::spawn(&mut self.command(line))
    }

    /// The process ids that the stand-ins have written into a file.
    pub(crate) fn pids(&self, file: &str) -> Vec<u32> {
        let text = fs::read_to_string(self.path(file)).unwrap_or_default();
        // A line without its end is still being written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// The folders of servers that run or were left.
    pub(crate) fn run_folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("target/services/run"));
        entries
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect()
    }

    /// Checks that no process in `file` and no folder is left, after a while if need be.
    #[track_caller]
    pub(crate) fn assert_nothing_is_left(&self, file: &str) {
        wait_for("processes and folders to go", || {
            !self.pids(file).into_iter().any(is_alive) && self.run_folders().is_empty()
        });
    }

    fn link_tools(&self) {
        fs::create_dir_all(self.path("bin")).expect("writable");
        let path = std::env::var_os("PATH").unwrap_or_default();
        for tool in TOOLS {
            let found = std::env::split_paths(&path)
                .map(|dir| dir.join(tool))
                .find(|it| it.is_file());
            if let Some(found) = found {
                std::os::unix::fs::symlink(found, self.path("bin").join(tool)).expect("writable");
            }
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Whatever a failed test has left; a test that passed has left nothing. A keeper needs
        // what is in the folder to clear up.
        let deadline = Instant::now() + PATIENCE;
        while !self.run_folders().is_empty() && Instant::now() < deadline && thread::panicking() {
            thread::sleep(Duration::from_millis(20));
        }
        for pid in self.pids("pids") {
            signal("KILL", &pid.to_string());
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// An xtask at work, which ends with its test.
#[derive(Debug)]
pub(crate) struct Xtask(Child);

impl Xtask {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(command.process_group(0).spawn().expect("xtask is built"))
    }

    /// As Ctrl-C at a terminal: the whole process group gets it.
    pub(crate) fn interrupt(&mut self) {
        signal("INT", &format!("-{}", self.0.id()));
        let status = self.0.wait().expect("it is our child");
        assert!(!status.success(), "{status}");
    }

    /// No code of its own runs any more, and its children go on.
    pub(crate) fn kill(&mut self) {
        self.0
            .kill()
            .and_then(|()| self.0.wait())
            .expect("it is our child");
    }
}

impl Drop for Xtask {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a run of xtask ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ran {
    pub(crate) fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }

    /// Checks the exit code and that all of `words` were said on standard error.
    #[track_caller]
    pub(crate) fn assert_says(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:#?}");
        }
    }
}

/// A cargo without nextest, whose every test program has `count` tests that pass.
pub(crate) fn cargo_that_passes(count: u32) -> String {
    format!(
        "[ \"$1\" != nextest ] || exit 1\necho \"$*\" >>\"$BENCH/cargo.log\"\n\
         echo 'test result: ok. {count} passed; 0 failed; 0 ignored; 0 measured; 0 filtered out'"
    )
}

/// A docker whose engine answers; `more` are further cases by its first argument.
pub(crate) fn docker(more: &str) -> String {
    format!(
        "echo \"$*\" >>\"$BENCH/docker.log\"\ncase \"$1\" in\ninfo | ps | rm) ;;\n{more}\n\
         *) echo \"no such thing: $*\" >&2; exit 1 ;;\nesac"
    )
}

pub(crate) fn fake_redis() -> &'static str {
    env!("CARGO_BIN_EXE_xtask-fake-redis")
}

/// Sends a signal to a process, or to a group if the number is negative.
pub(crate) fn signal(name: &str, pid: &str) {
    let mut kill = Command::new("sh");
    let script = format!("kill -{name} {pid}");
    let _ = kill.args(["-c", &script]).stderr(Stdio::null()).status();
}

/// A zombie is not alive: it waits for a parent that may never ask.
pub(crate) fn is_alive(pid: u32) -> bool {
    if Path::new("/proc/self/stat").exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat
            .rsplit_once(") ")
            .map(|(_, rest)| rest.starts_with('Z'));
        return state == Some(false);
    }
    let ps = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output();
    let state = ps.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    state.is_ok_and(|state| !state.is_empty() && !state.starts_with('Z'))
}

#[track_caller]
pub(crate) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
