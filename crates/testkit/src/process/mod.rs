//! A server as a process, which dies with this one.

pub(crate) mod folder;
mod ports;
mod program;
mod watcher;

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use ports::{free_port, loopback};
pub(crate) use program::Program;

use self::folder::{Owner, fresh_folder};
use self::watcher::{Watcher, signal};
use crate::StartError;

/// How long a server may take until it is ready. It is generous, because only a failure waits it
/// out: a machine under load took 14 s for what otherwise takes one.
pub(crate) const READY_BOUND: Duration = Duration::from_mins(1);

/// Between two looks at something that becomes ready.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Lines of its log in the error of a server that did not start.
const LOG_LINES: usize = 12;

/// A server with its folder. It can be started several times, one after the other.
#[derive(Debug)]
pub(crate) struct Server {
    program: PathBuf,
    owner: Option<Owner>,
    folder: PathBuf,
    watcher: Watcher,
    /// `None` before the first start and after a kill.
    child: Option<Child>,
}

impl Server {
    /// Makes the folder, and a watcher to remove it.
    pub(crate) fn prepare(program: PathBuf, owner: Option<Owner>) -> Result<Self, StartError> {
        let folder = fresh_folder(owner)?;
        let watcher = Watcher::start(&folder).map_err(StartError::io("starting sh"))?;
        Ok(Self {
            program,
            owner,
            folder,
            watcher,
            child: None,
        })
    }

    /// The server's own folder, which is its working directory too.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The number of the process, `None` while there is none.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts the process, and does not wait for it to be ready.
    pub(crate) fn launch(&mut self, args: &[String]) -> Result<(), StartError> {
        let doing = format!("starting {}", self.program.display());
        let child = self.command(args).and_then(|mut command| command.spawn());
        self.child = Some(child.map_err(StartError::io(doing))?);
        Ok(())
    }

    fn command(&self, args: &[String]) -> std::io::Result<Command> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        let mut command = self.watcher.command(&self.program)?;
        command
            .args(args)
            .current_dir(&self.folder)
            .stdout(log.try_clone()?)
            .stderr(log)
            // The test's Ctrl-C is not a request to shut down in good order.
            .process_group(0);
        if let Some(owner) = self.owner {
            owner.run(&mut command);
        }
        Ok(command)
    }

    /// Asks `ready`, with the number of the process, until it says so. Its error is the state.
    pub(crate) fn await_ready(
        &mut self,
        mut ready: impl FnMut(u32) -> Result<(), String>,
    ) -> Result<(), StartError> {
        let name = self.name();
        let deadline = Instant::now() + READY_BOUND;
        loop {
            if let Some(status) = self.exit_status()? {
                return Err(StartError::Died {
                    server: name,
                    status,
                    log: self.last_log_lines(),
                });
            }
            let pid = self.pid().expect("a server that is awaited was launched");
            match ready(pid) {
                Ok(()) => return Ok(()),
                Err(state) if Instant::now() > deadline => {
                    return Err(StartError::NotReady {
                        server: name,
                        bound: READY_BOUND,
                        state,
                        log: self.last_log_lines(),
                    });
                }
                Err(_) => thread::sleep(LOOK_EVERY),
            }
        }
    }

    fn exit_status(&mut self) -> Result<Option<ExitStatus>, StartError> {
        let child = self
            .child
            .as_mut()
            .expect("a server that is awaited was launched");
        let status = child
            .try_wait()
            .map_err(StartError::io("waiting for a server"))?;
        if status.is_some() {
            self.child = None;
            self.watcher
                .forget()
                .map_err(StartError::io("telling the watcher"))?;
        }
        Ok(status)
    }

    /// Kills the process and its children, by SIGKILL. The folder stays. Without a process it
    /// does nothing.
    pub(crate) fn kill9(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        self.signal("KILL", child.id());
        self.watcher
            .forget()
            .expect("the watcher lives as long as this");
        child.wait().expect("the child was not waited for yet");
    }

    /// Stops the process and its children, by SIGSTOP.
    pub(crate) fn pause(&self) {
        self.signal("STOP", self.running());
    }

    /// Lets a paused process and its children go on.
    pub(crate) fn resume(&self) {
        self.signal("CONT", self.running());
    }

    fn running(&self) -> u32 {
        self.pid()
            .unwrap_or_else(|| panic!("{} was killed: restart it first", self.name()))
    }

    fn signal(&self, signal_name: &str, pid: u32) {
        if let Err(error) = signal(signal_name, pid) {
            panic!("{}: {error}", self.name());
        }
    }

    fn name(&self) -> String {
        let name = self.program.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub(crate) fn last_log_lines(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // In this order: until the child is waited for, its number is nobody else's.
        self.watcher.finish();
        if let Some(mut child) = self.child.take() {
            // Killed by the watcher. An error would say that it was waited for already.
            let _ = child.wait();
        }
    }
}

impl StartError {
    /// The port was taken between the look at it and the start.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Died { log, .. } if log.to_lowercase().contains("address already in use"))
    }
}
