//! Other processes: who is alive, who descends from whom, and signals. The standard library has
//! none of it, so this reads `/proc` where there is one and asks `ps` elsewhere.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::run;

/// Marks what belongs to a run: a process that loses its parent keeps its environment.
pub(crate) const RUN_VARIABLE: &str = "XTASK_RUN";

/// How long tests that lost their parent may take to end when asked to.
const RUNNER_GRACE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) command: String,
}

pub(crate) fn own_pid() -> u32 {
    std::process::id()
}

/// All processes of the system, as they are now; a zombie counts as gone.
pub(crate) fn snapshot() -> Vec<Process> {
    if Path::new("/proc/self/stat").exists() {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        return entries
            .filter_map(|entry| from_proc(&entry.path()))
            .collect();
    }
    let mut ps = Command::new("ps");
    ps.args(["-A", "-ww", "-o", "pid=,ppid=,stat=,args="]);
    let listing = run::text_to_the_end(&mut ps, Duration::from_secs(5)).unwrap_or_default();
    listing.lines().filter_map(from_ps).collect()
}

/// A process and all that descend from it, if it is there.
pub(crate) fn family(pid: u32, all: &[Process]) -> Vec<u32> {
    let mut found: Vec<u32> = all
        .iter()
        .map(|it| it.pid)
        .filter(|it| *it == pid)
        .collect();
    let mut next = 0;
    while let Some(&parent) = found.get(next) {
        let children = all.iter().filter(|it| it.parent == parent).map(|it| it.pid);
        let fresh: Vec<u32> = children.filter(|child| !found.contains(child)).collect();
        found.extend(fresh);
        next += 1;
    }
    found
}

/// Sends a signal, by name and without `SIG`. A process that is gone already is fine.
pub(crate) fn signal(name: &str, pids: &[u32]) {
    if pids.is_empty() {
        return;
    }
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", r#"kill -"$0" "$@""#, name])
        .args(pids.iter().map(u32::to_string));
    let _ = shell
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// Ends a process and all below it: the process by `signal_name`, and whatever is left after
/// `grace` by force. Returns when none of them is there any more.
pub(crate) fn end_family(pid: u32, signal_name: &str, grace: Duration) {
    end(&[pid], || family(pid, &snapshot()), signal_name, grace);
}

/// Ends a run of tests: its runner with all below it, and what lost its parent on the way.
pub(crate) fn end_run(runner: u32, run: &str) {
    let all = || [family(runner, &snapshot()), marked(run)].concat();
    end(&all(), all, "TERM", RUNNER_GRACE);
}

/// Ends what is left of a run whose runner is gone.
pub(crate) fn end_marked(run: &str) {
    end(&marked(run), || marked(run), "TERM", RUNNER_GRACE);
}

fn end(first: &[u32], all: impl Fn() -> Vec<u32>, signal_name: &str, grace: Duration) {
    let mut pids = all();
    signal(signal_name, first);
    if !gone_within(&pids, grace) {
        // Those that were started since the first look.
        pids.extend(all());
        signal("KILL", &pids);
        gone_within(&pids, Duration::from_secs(5));
    }
}

/// The processes that have the run in their environment, where the system shows that.
fn marked(run: &str) -> Vec<u32> {
    let mark = format!("{RUN_VARIABLE}={run}");
    let is_marked = |process: &Process| {
        let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
    };
    snapshot()
        .iter()
        .filter(|process| process.pid != own_pid() && is_marked(process))
        .map(|process| process.pid)
        .collect()
}

/// Waits until none of the processes is there; tells whether that came to be.
pub(crate) fn gone_within(pids: &[u32], limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if !snapshot().iter().any(|process| pids.contains(&process.pid)) {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn from_proc(dir: &Path) -> Option<Process> {
    let pid = dir.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(dir.join("stat")).ok()?;
    // The name in parentheses may hold anything, parentheses too.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    let parent = fields.next()?.parse().ok()?;
    let command = fs::read(dir.join("cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    Some(Process {
        pid,
        parent,
        command: command.trim_end().to_owned(),
    })
}

fn from_ps(line: &str) -> Option<Process> {
    let mut rest = line.trim_start();
    let mut word = || {
        let (word, after) = rest.split_once(char::is_whitespace)?;
        rest = after.trim_start();
        Some(word)
    };
    let (pid, parent, state) = (word()?.parse().ok()?, word()?.parse().ok()?, word()?);
    let is_gone = state.starts_with('Z');
    (!is_gone).then(|| Process {
        pid,
        parent,
        command: rest.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, parent: u32) -> Process {
        Process {
            pid,
            parent,
            command: String::new(),
        }
    }

    #[test]
    fn a_family_is_the_process_and_all_below_it() {
        let all = [
            process(1, 0),
            process(5, 1),
            process(6, 5),
            process(7, 6),
            process(8, 1),
        ];
        assert_eq!(family(5, &all), [5, 6, 7]);
        assert_eq!(family(9, &all), [0; 0], "a process that is gone has none");
    }

    #[test]
    fn we_are_among_the_processes_with_our_command_line() {
        let all = snapshot();
        let us = all
            .iter()
            .find(|it| it.pid == own_pid())
            .expect("we are alive");
        assert!(us.command.contains("xtask"), "{us:?}");
    }

    #[test]
    fn a_line_of_ps_is_read_and_a_zombie_is_none() {
        assert_eq!(
            from_ps("  41     1 Ss   redis-server 127.0.0.1:7000"),
            Some(Process {
                pid: 41,
                parent: 1,
                command: "redis-server 127.0.0.1:7000".into()
            })
        );
        assert_eq!(from_ps("  42     1 Z    (sh)"), None);
    }
}
