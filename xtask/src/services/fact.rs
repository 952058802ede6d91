//! What the keeper tells its parent: one fact a line.

use std::path::PathBuf;
use std::time::Duration;

use super::{Running, Service, Source};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    /// Something a person may want to know now.
    Say(String),
    Up(Running),
    /// This source could not be used for this service.
    Refused {
        service: Service,
        source: Source,
        reason: String,
    },
    /// `redis-server` itself, or the folder that holds `postgres` and `initdb`.
    Program {
        service: Service,
        path: PathBuf,
    },
    /// There is no program for tests that start their own server.
    NoProgram {
        service: Service,
        reason: String,
    },
    /// Nothing more will come.
    Done,
}

impl Fact {
    pub(crate) fn to_line(&self) -> String {
        let fields: Vec<String> = match self {
            Self::Say(text) => vec!["say".into(), text.clone()],
            Self::Up(running) => vec![
                "up".into(),
                running.service.name().into(),
                running.source.name().into(),
                running.url.clone(),
                running.version.clone(),
                running.detail.clone(),
                running.took.as_millis().to_string(),
                running.is_first.to_string(),
            ],
            Self::Refused {
                service,
                source,
                reason,
            } => {
                vec![
                    "refused".into(),
                    service.name().into(),
                    source.name().into(),
                    reason.clone(),
                ]
            }
            Self::Program { service, path } => {
                vec![
                    "program".into(),
                    service.name().into(),
                    path.to_string_lossy().into_owned(),
                ]
            }
            Self::NoProgram { service, reason } => {
                vec!["no-program".into(), service.name().into(), reason.clone()]
            }
            Self::Done => vec!["done".into()],
        };
        fields
            .iter()
            .map(|field| escape(field))
            .collect::<Vec<_>>()
            .join("\t")
    }

    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let fields: Vec<String> = line.split('\t').map(unescape).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        Some(match *fields {
            ["say", text] => Self::Say(text.to_owned()),
            [
                "up",
                service,
                source,
                url,
                version,
                detail,
                millis,
                is_first,
            ] => Self::Up(Running {
                service: Service::from_name(service)?,
                source: Source::from_name(source)?,
                url: url.to_owned(),
                version: version.to_owned(),
                detail: detail.to_owned(),
                took: Duration::from_millis(millis.parse().ok()?),
                is_first: is_first.parse().ok()?,
            }),
            ["refused", service, source, reason] => Self::Refused {
                service: Service::from_name(service)?,
                source: Source::from_name(source)?,
                reason: reason.to_owned(),
            },
            ["program", service, path] => Self::Program {
                service: Service::from_name(service)?,
                path: PathBuf::from(path),
            },
            ["no-program", service, reason] => Self::NoProgram {
                service: Service::from_name(service)?,
                reason: reason.to_owned(),
            },
            ["done"] => Self::Done,
            _ => return None,
        })
    }
}

fn escape(field: &str) -> String {
    field
        .replace('\\', r"\\")
        .replace('\n', r"\n")
        .replace('\t', r"\t")
}

fn unescape(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        text.push(match c {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                other => other.unwrap_or('\\'),
            },
            plain => plain,
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_survives_its_line() {
        let facts = [
            Fact::Say("fetching\tredis\nnow \\n".into()),
            Fact::Up(Running {
                service: Service::Postgres,
                source: Source::Bundled,
                url: "postgres://postgres@127.0.0.1:1/postgres".into(),
                version: String::new(),
                detail: "C:\\bin".into(),
                took: Duration::from_millis(280),
                is_first: true,
            }),
            Fact::Refused {
                service: Service::Redis,
                source: Source::Local,
                reason: "died:\n  line 1\n  line 2".into(),
            },
            Fact::Program {
                service: Service::Redis,
                path: "/opt/redis server".into(),
            },
            Fact::NoProgram {
                service: Service::Postgres,
                reason: "--offline".into(),
            },
            Fact::Done,
        ];
        for fact in facts {
            let line = fact.to_line();
            assert!(!line.contains('\n'), "{line:?}");
            assert_eq!(Fact::from_line(&line), Some(fact));
        }
        assert_eq!(Fact::from_line("up\tredis"), None);
    }
}
