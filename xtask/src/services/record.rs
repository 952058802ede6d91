//! The folder of one running server and the record in it, by which a later start can clear up
//! what this one could not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::fact::Fact;
use super::home::Home;
use super::{Running, Service};

/// The folder `RUN-SERVICE`, with the server's data, log and record.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder {
    pub(crate) dir: PathBuf,
    pub(crate) service: Service,
    /// Names the keeper that owns it: the run is in its command line.
    pub(crate) run: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// It stays up without a keeper until somebody says `down`.
    pub(crate) kept: bool,
    pub(crate) body: Option<Body>,
    pub(crate) running: Option<Running>,
}

/// What there is to stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    Process { pid: u32 },
    Container { engine: String, name: String },
}

impl RunFolder {
    pub(crate) fn create(home: &Home, run: &str, service: Service) -> Result<Self, String> {
        let folder = Self::at(home.runs().join(format!("{run}-{service}")), run, service);
        home.make(&folder.dir)?;
        Ok(folder)
    }

    /// All folders there are, whoever owns them.
    pub(crate) fn all(home: &Home) -> Vec<Self> {
        let dirs = crate::workspace::children(&home.runs()).into_iter();
        dirs.filter_map(|dir| {
            let name = dir.file_name()?.to_str()?.to_owned();
            let (run, service) = name.rsplit_once('-')?;
            Some(Self::at(dir, run, Service::from_name(service)?))
        })
        .collect()
    }

    fn at(dir: PathBuf, run: &str, service: Service) -> Self {
        Self {
            dir,
            service,
            run: run.to_owned(),
        }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    pub(crate) fn write(&self, record: &Record) -> io::Result<()> {
        // Renamed into place: whoever sweeps reads all of it or the one before.
        let draft = self.dir.join("record.new");
        fs::write(&draft, record.to_text())?;
        fs::rename(draft, self.record_path())
    }

    pub(crate) fn read(&self) -> Record {
        let text = fs::read_to_string(self.record_path());
        Record::from_text(&text.unwrap_or_default())
    }

    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn record_path(&self) -> PathBuf {
        self.dir.join("record")
    }
}

impl Record {
    fn to_text(&self) -> String {
        let kept = self.kept.then(|| "kept".to_owned());
        let body = self.body.as_ref().map(|body| match body {
            Body::Process { pid } => format!("process {pid}"),
            Body::Container { engine, name } => format!("container {engine} {name}"),
        });
        let running = self
            .running
            .clone()
            .map(|running| Fact::Up(running).to_line());
        let lines: Vec<String> = [kept, body, running].into_iter().flatten().collect();
        lines.join("\n") + "\n"
    }

    fn from_text(text: &str) -> Self {
        let mut record = Self::default();
        for line in text.lines() {
            match *line.split(' ').collect::<Vec<_>>() {
                ["kept"] => record.kept = true,
                ["process", pid] => {
                    record.body = pid.parse().ok().map(|pid| Body::Process { pid });
                }
                ["container", engine, name] => {
                    let (engine, name) = (engine.to_owned(), name.to_owned());
                    record.body = Some(Body::Container { engine, name });
                }
                _ => {
                    if let Some(Fact::Up(running)) = Fact::from_line(line) {
                        record.running = Some(running);
                    }
                }
            }
        }
        record
    }
}

/// The last lines of a log, for a message about a server that died.
pub(crate) fn end_of_log(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if text.trim().is_empty() {
        return "it wrote nothing".to_owned();
    }
    format!("its last lines:\n{}", crate::run::last_lines(&text, 8))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::services::Source;

    #[test]
    fn a_record_survives_its_file() {
        let running = Running {
            service: Service::Redis,
            source: Source::Container,
            url: "redis://127.0.0.1:7000".into(),
            version: "redis 7.0.15".into(),
            detail: "redis:local".into(),
            took: Duration::from_millis(3),
            is_first: false,
        };
        let bodies = [
            Body::Process { pid: 77 },
            Body::Container {
                engine: "docker".into(),
                name: "xtask-1-redis".into(),
            },
        ];
        for body in bodies {
            let record = Record {
                kept: true,
                body: Some(body),
                running: Some(running.clone()),
            };
            assert_eq!(Record::from_text(&record.to_text()), record);
        }
        assert_eq!(Record::from_text("half a li"), Record::default());
    }
}
