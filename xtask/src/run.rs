//! Programs run under a time limit: a hung engine or registry must never hang us.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How long the rest of a program's output may take once it has ended: a grandchild that holds
/// its pipes would otherwise keep us waiting for ever.
const REST_OF_OUTPUT: Duration = Duration::from_millis(200);

/// Set when whoever waits for us has gone, so that every wait in this process ends early.
static CANCELLED: AtomicBool = AtomicBool::new(false);

/// Why a program gave no output.
#[derive(Debug)]
pub(crate) enum Error {
    /// There is no such program.
    NotFound,
    /// It was ended because it took longer than this.
    TimedOut(Duration),
    /// It was ended because [`cancel`] was called.
    Cancelled,
    /// It could not be run.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => write!(f, "not found"),
            Self::TimedOut(limit) => write!(f, "no answer within {} s", limit.as_secs_f32()),
            Self::Cancelled => write!(f, "cancelled"),
            Self::Io(error) => write!(f, "{error}"),
        }
    }
}

/// Ends every program that this process waits for, now and from here on.
pub(crate) fn cancel() {
    CANCELLED.store(true, Ordering::SeqCst);
}

/// Whether [`cancel`] was called.
pub(crate) fn cancelled() -> bool {
    CANCELLED.load(Ordering::SeqCst)
}

/// Runs a program to its end and returns what it wrote; past `limit` it is killed, with its
/// children.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Result<Output, Error> {
    output_unless(cancelled, command, limit)
}

fn output_unless(
    cancelled: impl Fn() -> bool,
    command: &mut Command,
    limit: Duration,
) -> Result<Output, Error> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    in_own_group(command);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound,
        _ => Error::Io(error),
    })?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait().map_err(Error::Io)? {
            return Ok(Output {
                status,
                stdout: stdout.recv_timeout(REST_OF_OUTPUT).unwrap_or_default(),
                stderr: stderr.recv_timeout(REST_OF_OUTPUT).unwrap_or_default(),
            });
        }
        if cancelled() || Instant::now() >= deadline {
            kill_group(&mut child);
            return Err(if cancelled() {
                Error::Cancelled
            } else {
                Error::TimedOut(limit)
            });
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// The trimmed standard output of a program that must succeed, or a message with the end of
/// what it wrote to standard error.
pub(crate) fn text(command: &mut Command, limit: Duration) -> Result<String, String> {
    let output = output(command, limit);
    text_of(command, output)
}

/// As [`text`], and goes on after [`cancel`]: for what clears up, and for what can't be undone
/// before it is done.
pub(crate) fn text_to_the_end(command: &mut Command, limit: Duration) -> Result<String, String> {
    let output = output_unless(|| false, command, limit);
    text_of(command, output)
}

fn text_of(command: &Command, output: Result<Output, Error>) -> Result<String, String> {
    let shown = show(command);
    match output {
        Err(error) => Err(format!("`{shown}`: {error}")),
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            let stdout = String::from_utf8_lossy(&output.stdout);
            let said = if stderr.trim().is_empty() {
                stdout
            } else {
                stderr
            };
            Err(format!(
                "`{shown}`: {}: {}",
                output.status,
                last_lines(&said, 4)
            ))
        }
    }
}

/// A command as a person would paste it.
pub(crate) fn show(command: &Command) -> String {
    let program = Path::new(command.get_program());
    // Cargo tells where it is itself; a person has it in the path.
    let program = if program.ends_with("cargo") {
        OsStr::new("cargo")
    } else {
        program.as_os_str()
    };
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| quote(&word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The last `count` lines of `text`.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let mut pipe = pipe.expect("it was piped above");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that breaks has given what it had.
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

fn in_own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// Kills a child and what it started: a shell script that is killed alone leaves its last
/// command running.
fn kill_group(child: &mut Child) {
    // A signal's name before a negative number: not every shell knows `--` here.
    let group = format!("-{}", child.id());
    let mut kill = Command::new("/bin/sh");
    kill.args(["-c", r#"kill -KILL "$0""#, &group])
        .stderr(Stdio::null());
    let _ = kill.status();
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use crate::services::processes;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let scratch = Scratch::new("hangs");
        let file = scratch.path("pid");
        let started = Instant::now();
        let script = format!("sleep 60 & echo $! > {}; wait", file.display());
        let error = output(&mut sh(&script), Duration::from_millis(200));
        assert!(matches!(error, Err(Error::TimedOut(_))), "{error:?}");
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{:?}",
            started.elapsed()
        );
        let pid = std::fs::read_to_string(file).expect("the script wrote it");
        let pid = pid.trim().parse().expect("a number");
        assert!(
            processes::gone_within(&[pid], Duration::from_secs(10)),
            "{pid} is left"
        );
    }

    #[test]
    fn a_grandchild_that_holds_the_pipes_does_not_hold_us() {
        let started = Instant::now();
        output(&mut sh("sleep 5 & echo $!"), Duration::from_secs(4)).expect("it ended");
        assert!(
            started.elapsed() < Duration::from_secs(4),
            "{:?}",
            started.elapsed()
        );
    }

    #[test]
    fn a_failure_says_which_command_and_the_end_of_its_words() {
        let message = text(
            &mut sh("echo no such luck >&2; exit 3"),
            Duration::from_secs(10),
        )
        .expect_err("it exits with 3");
        assert!(
            message.contains("sh -c") && message.contains("no such luck"),
            "{message}"
        );
    }

    #[test]
    fn a_missing_program_is_told_from_a_failing_one() {
        let missing = output(
            &mut Command::new("there-is-no-such-program"),
            Duration::from_secs(1),
        );
        assert!(matches!(missing, Err(Error::NotFound)), "{missing:?}");
    }

    #[test]
    fn a_command_is_shown_ready_to_paste() {
        let mut command = Command::new("redis-server");
        command.args(["--save", "", "it's"]);
        assert_eq!(show(&command), r"redis-server --save '' 'it'\''s'");
    }
}
