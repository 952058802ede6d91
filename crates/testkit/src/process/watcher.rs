//! The shell that outlives the test and clears up behind it.

use std::io::{self, PipeWriter, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// `signal NAME PID`, for a server and its children.
///
/// Each backend of Postgres leads a session of its own, so no process group reaches them, and a
/// paused one does not notice that its postmaster is gone. A stopped parent forks no more.
///
/// Children are killed before their parent, which is waited for: a postmaster that is started
/// again refuses to share its memory with a backend that is still about to die. Those of a stopped
/// parent stay zombies, so they are found in the end. Whoever continues the server meanwhile, as
/// `timeout` does with all that it ends, has it stopped again; after a hundred times it goes as it
/// is.
const SIGNAL: &str = r#"
children() {
    if [ -d /proc/self ]; then
        grep -ls "^PPid:[[:space:]]*$1\$" /proc/[0-9]*/status | tr -dc '0-9\n'
    else
        ps -A -o ppid= -o pid= | awk -v parent="$1" '$1 == parent { print $2 }'
    fi
}
is_in_state() {
    if [ -d /proc/self ]; then
        grep -qs "^State:[[:space:]]*[$2]" "/proc/$1/status"
    else
        ps -o stat= -p "$1" | grep -q "^[$2]"
    fi
}
signal() {
    tries=100
    kill -STOP "$2" || return
    while is_in_state "$2" DIRSU && [ "$tries" -gt 0 ]; do
        tries=$((tries - 1))
        kill -STOP "$2" || return
    done
    children=$(children "$2")
    if [ "$1" = KILL ]; then
        for child in $children; do kill -KILL "$child"; done
        for child in $children; do while is_in_state "$child" DIRSTtU; do :; done; done
    fi
    kill -"$1" "$2" || return
    [ -z "$children" ] || kill -"$1" $children || :
}
"#;

/// Each line names the server's process from now on, an empty one says that there is none. The
/// input ends when the test's process does, by whatever means.
const WATCH: &str = r#"
trap '' HUP INT TERM
pid=
while read -r line; do pid=$line; done
[ -z "$pid" ] || signal KILL "$pid"
rm -rf "$1"
"#;

/// A shell that kills the server and removes its folder as soon as this process has gone, or has
/// finished with it. It works in the first case because the kernel closes the pipe.
#[derive(Debug)]
pub(super) struct Watcher {
    shell: Child,
    /// `None` once closed.
    pipe: Option<PipeWriter>,
}

impl Watcher {
    /// Watches over a folder and, as soon as one is named, over a server.
    pub(super) fn start(folder: &Path) -> io::Result<Self> {
        let (reader, pipe) = io::pipe()?;
        let shell = Command::new("sh")
            .args(["-c", &format!("{SIGNAL}{WATCH}"), "watcher"])
            .arg(folder)
            // A Ctrl-C for the test is none for its watcher.
            .process_group(0)
            .stdin(reader)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self {
            shell,
            pipe: Some(pipe),
        })
    }

    /// Makes a command whose process names itself to the watcher before it becomes `program`.
    ///
    /// So there is no moment in which a server runs unwatched: until it has named itself, its own
    /// copy of the pipe keeps the watcher waiting.
    pub(super) fn command(&self, program: &Path) -> io::Result<Command> {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"echo $$ >&0 && exec "$@" </dev/null"#, "server"])
            .arg(program)
            .stdin(self.pipe().try_clone()?);
        Ok(command)
    }

    /// The server has ended. To be called before it is waited for, since from then on its number
    /// may be another process's.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.pipe().write_all(b"\n")
    }

    /// Has the server killed and the folder removed, and waits for that.
    pub(super) fn finish(&mut self) {
        drop(self.pipe.take());
        // An error would say that somebody else has waited for the shell: then it is gone too.
        let _ = self.shell.wait();
    }

    fn pipe(&self) -> &PipeWriter {
        self.pipe.as_ref().expect("nobody asks after `finish`")
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Sends a signal to a child of this process, not waited for yet, and to its children.
pub(super) fn signal(name: &str, pid: u32) -> io::Result<()> {
    let status = Command::new("sh")
        .args(["-c", &format!("{SIGNAL}signal \"$@\""), "signal", name])
        .arg(pid.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("kill -{name} {pid}: {status}")))
    }
}
