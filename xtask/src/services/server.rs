//! A server that this process started, and its end.

use std::process::Child;
use std::time::Duration;

use super::Running;
use super::container;
use super::processes;
use super::record::{Body, Record, RunFolder};

/// How long a server may take to end when asked to.
const GRACE: Duration = Duration::from_secs(6);

#[derive(Debug)]
pub(crate) struct Server {
    folder: RunFolder,
    record: Record,
    /// Held so that it can be reaped.
    child: Option<Child>,
}

impl Server {
    /// Takes charge of the folder, before there is anything in it: whatever goes wrong from here
    /// on, [`stop`](Self::stop) or a later sweep removes it.
    pub(crate) fn new(folder: RunFolder) -> Self {
        Self {
            folder,
            record: Record::default(),
            child: None,
        }
    }

    pub(crate) fn folder(&self) -> &RunFolder {
        &self.folder
    }

    pub(crate) fn set_child(&mut self, child: Child) -> Result<(), String> {
        self.record.body = Some(Body::Process { pid: child.id() });
        self.child = Some(child);
        self.save()
    }

    /// The child, while it is alive.
    pub(crate) fn has_died(&mut self) -> bool {
        match &mut self.child {
            Some(child) => !matches!(child.try_wait(), Ok(None)),
            None => false,
        }
    }

    /// Called before the container is made: a name that never came to be is swept for nothing.
    pub(crate) fn set_container(&mut self, engine: &str, name: &str) -> Result<(), String> {
        self.record.body = Some(Body::Container {
            engine: engine.to_owned(),
            name: name.to_owned(),
        });
        self.save()
    }

    pub(crate) fn set_running(&mut self, running: Running) -> Result<(), String> {
        self.record.running = Some(running);
        self.save()
    }

    /// Leaves it running; from here on only `services down` ends it.
    pub(crate) fn keep(mut self) -> Result<(), String> {
        self.record.kept = true;
        self.save()
    }

    /// Ends it and removes its folder.
    pub(crate) fn stop(mut self) -> Result<(), String> {
        self.end_child();
        if let Some(Body::Container { engine, name }) = &self.record.body {
            container::remove(engine, name)?;
        }
        self.folder
            .remove()
            .map_err(|error| format!("{}: {error}", self.folder.dir.display()))
    }

    /// Ends the process, so that another can be tried in the same folder.
    pub(crate) fn end_child(&mut self) {
        if let Some(mut child) = self.child.take() {
            processes::end_family(child.id(), self.folder.service.end_signal(), GRACE);
            // For us alone this would do; it also covers a system on which no signal went out.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn save(&self) -> Result<(), String> {
        let written = self.folder.write(&self.record);
        written.map_err(|error| format!("{}: {error}", self.folder.dir.display()))
    }
}

/// Ends a server that another process started, which is gone or wants it ended.
pub(crate) fn stop_foreign(folder: &RunFolder, record: &Record) -> Result<(), String> {
    match &record.body {
        Some(Body::Container { engine, name }) => container::remove(engine, name)?,
        Some(Body::Process { pid }) if is_ours(*pid, folder, record) => {
            processes::end_family(*pid, folder.service.end_signal(), GRACE);
        }
        _ => {}
    }
    folder
        .remove()
        .map_err(|error| format!("{}: {error}", folder.dir.display()))
}

/// Whether the process of that number is still the server of that record: numbers are used
/// again. Postgres has its folder in the command line, Redis replaces it by its address.
pub(crate) fn is_ours(pid: u32, folder: &RunFolder, record: &Record) -> bool {
    let address = record.running.as_ref().and_then(|it| {
        it.url
            .split(['@', '/'])
            .find(|part| part.starts_with("127."))
    });
    let dir = folder.dir.to_string_lossy();
    processes::snapshot().iter().any(|process| {
        let command = &process.command;
        process.pid == pid
            && (command.contains(&*dir) || address.is_some_and(|it| command.contains(it)))
    })
}
