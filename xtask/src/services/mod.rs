//! Redis and Postgres for the tests and the demo: found or started, and always taken down.
//!
//! ```text
//! xtask test ──spawns──> xtask keeper ──starts──> redis-server, postgres, containers
//!     │ holds its stdin       │ tells facts on stdout
//! ```
//!
//! The keeper lives in a process group of its own and ends when its standard input does: in
//! whatever way the parent dies, the system closes the pipe, and the keeper clears up. What
//! even the keeper could not clear up (a crash of the machine) is swept at the next start.

pub(crate) mod bundled;
pub(crate) mod choose;
pub(crate) mod client;
pub(crate) mod command;
pub(crate) mod container;
pub(crate) mod data;
pub(crate) mod fact;
pub(crate) mod fixes;
pub(crate) mod home;
pub(crate) mod keeper;
pub(crate) mod launch;
pub(crate) mod postgres;
pub(crate) mod processes;
pub(crate) mod programs;
pub(crate) mod record;
pub(crate) mod redis;
pub(crate) mod server;
pub(crate) mod sweep;
pub(crate) mod url;
pub(crate) mod wait;

use std::fmt;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Service {
    Redis,
    Postgres,
}

/// Where a service comes from, in the order in which they are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// A URL in `TEST_REDIS_URL` or `TEST_DATABASE_URL`.
    Env,
    Container,
    Local,
    Bundled,
}

/// What `--services` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    #[default]
    Auto,
    Only(Source),
    None,
}

/// What is asked of the keeper for each service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) choice: Choice,
    /// Nothing is pulled and nothing downloaded.
    pub(crate) offline: bool,
    /// Services to have running.
    pub(crate) serve: Vec<Service>,
    /// Services whose programs are wanted as files, for tests that start their own.
    pub(crate) programs: Vec<Service>,
}

/// A service that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Running {
    pub(crate) service: Service,
    pub(crate) source: Source,
    pub(crate) url: String,
    /// As the server says, if it does so without a password.
    pub(crate) version: String,
    /// The image or the program.
    pub(crate) detail: String,
    /// From the start of the server to its first answer.
    pub(crate) took: Duration,
    /// Whether that took making a data folder, which later starts copy.
    pub(crate) is_first: bool,
}

/// What a server that was started tells about itself.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) url: String,
    pub(crate) version: String,
    pub(crate) is_first: bool,
}

impl Service {
    pub(crate) const ALL: [Self; 2] = [Self::Redis, Self::Postgres];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }

    /// The variable that hands it to tests. Never `REDIS_URL` or `DATABASE_URL`: those name a
    /// person's real databases, and tests flush and kill.
    pub(crate) fn test_variable(self) -> &'static str {
        match self {
            Self::Redis => "TEST_REDIS_URL",
            Self::Postgres => "TEST_DATABASE_URL",
        }
    }

    /// The variable that hands it to the demo.
    pub(crate) fn live_variable(self) -> &'static str {
        match self {
            Self::Redis => "REDIS_URL",
            Self::Postgres => "DATABASE_URL",
        }
    }

    /// How one that a test is done with is asked to end. Postgres ends its children and gives
    /// back its shared memory on `QUIT`; for Redis nothing is faster than `KILL`.
    pub(crate) fn end_signal(self) -> &'static str {
        match self {
            Self::Redis => "KILL",
            Self::Postgres => "QUIT",
        }
    }

    /// The variable that tells where its programs are.
    pub(crate) fn program_variable(self) -> &'static str {
        match self {
            Self::Redis => "REDIS_SERVER_BIN",
            Self::Postgres => "PG_BIN_DIR",
        }
    }
}

impl Source {
    pub(crate) const ALL: [Self; 4] = [Self::Env, Self::Container, Self::Local, Self::Bundled];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::Container => "container",
            Self::Local => "local",
            Self::Bundled => "bundled",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

impl Choice {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "auto" => Some(Self::Auto),
            "none" => Some(Self::None),
            _ => Source::from_name(name).map(Self::Only),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::None => "none",
            Self::Only(source) => source.name(),
        }
    }

    pub(crate) fn allows(self, source: Source) -> bool {
        match self {
            Self::Auto => true,
            Self::None => false,
            Self::Only(only) => only == source,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
