//! Which source a service comes from: the first that really has it.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use super::container::Engine;
use super::fact::Fact;
use super::home::Home;
use super::record::RunFolder;
use super::server::Server;
use super::{Choice, Request, Running, Service, Source, Started};
use super::{bundled, launch, postgres, programs, redis, sweep};
use crate::run;

/// Tries the sources in turn and tells what came of each.
#[derive(Debug)]
pub(crate) struct Chooser<'a, T> {
    pub(crate) home: &'a Home,
    pub(crate) run: &'a str,
    pub(crate) request: &'a Request,
    pub(crate) tell: T,
    /// Asked once for both services.
    pub(crate) engine: OnceLock<Result<Engine, String>>,
}

impl<T: Fn(Fact) + Sync> Chooser<'_, T> {
    /// Has the service running, or tells why no source has it. The server is returned if it is
    /// one of ours, which somebody has to end.
    pub(crate) fn serve(&self, service: Service) -> Option<Server> {
        for source in Source::ALL {
            if !self.request.choice.allows(source) || run::cancelled() {
                continue;
            }
            match self.attempt(service, source) {
                Ok((running, server)) => {
                    (self.tell)(Fact::Up(running));
                    return server;
                }
                Err(reason) => (self.tell)(Fact::Refused {
                    service,
                    source,
                    reason,
                }),
            }
        }
        None
    }

    /// Tells where the service's programs are, for tests that start servers of their own.
    pub(crate) fn find_program(&self, service: Service) {
        let (local, fetched) = match self.request.choice {
            Choice::None => (false, false),
            Choice::Only(Source::Local) => (true, false),
            Choice::Only(Source::Bundled) => (false, true),
            _ => (true, true),
        };
        let mut reasons = Vec::new();
        let mut found = None;
        if local {
            found = programs::find(service)
                .map_err(|reason| reasons.push(reason))
                .ok();
        }
        if fetched && found.is_none() {
            found = self
                .bundled(service)
                .map_err(|reason| reasons.push(reason))
                .ok();
        }
        (self.tell)(match found {
            Some(path) => Fact::Program { service, path },
            None => Fact::NoProgram {
                service,
                reason: reasons.join("; "),
            },
        });
    }

    fn attempt(
        &self,
        service: Service,
        source: Source,
    ) -> Result<(Running, Option<Server>), String> {
        let program = match source {
            Source::Env => return from_env(service).map(|running| (running, None)),
            Source::Container => return self.contain(service),
            Source::Local => programs::find(service)?,
            Source::Bundled => self.bundled(service)?,
        };
        let start = |server: &mut Server| launch::start(self.home, server, &program);
        self.start(service, source, program.display().to_string(), start)
    }

    fn contain(&self, service: Service) -> Result<(Running, Option<Server>), String> {
        let engine = self.engine()?;
        let image = engine.image(service, self.request.offline, |text| self.say(text))?;
        let start = |server: &mut Server| engine.start(self.home, server, &image);
        self.start(service, Source::Container, image.clone(), start)
    }

    /// Runs `start` on a server with a folder of its own, which is gone again if that fails.
    fn start(
        &self,
        service: Service,
        source: Source,
        detail: String,
        start: impl FnOnce(&mut Server) -> Result<Started, String>,
    ) -> Result<(Running, Option<Server>), String> {
        let mut server = Server::new(RunFolder::create(self.home, self.run, service)?);
        let clock = Instant::now();
        let started = start(&mut server).and_then(
            |Started {
                 url,
                 version,
                 is_first,
             }| {
                let took = clock.elapsed();
                let running = Running {
                    service,
                    source,
                    url,
                    version,
                    detail,
                    took,
                    is_first,
                };
                server.set_running(running.clone())?;
                Ok(running)
            },
        );
        match started {
            Ok(running) => Ok((running, Some(server))),
            Err(reason) => match server.stop() {
                Ok(()) => Err(reason),
                Err(also) => Err(format!("{reason}\nand clearing up failed: {also}")),
            },
        }
    }

    fn engine(&self) -> Result<Engine, String> {
        let find = || {
            let engine = Engine::find()?;
            sweep::containers(self.home, engine);
            Ok(engine)
        };
        self.engine.get_or_init(find).clone()
    }

    fn bundled(&self, service: Service) -> Result<PathBuf, String> {
        bundled::program(self.home, service, self.request.offline, self.run, |text| {
            self.say(text);
        })
    }

    fn say(&self, text: &str) {
        (self.tell)(Fact::Say(text.to_owned()));
    }
}

fn from_env(service: Service) -> Result<Running, String> {
    let variable = service.test_variable();
    let url = std::env::var(variable).map_err(|_| format!("{variable} is not set"))?;
    let clock = Instant::now();
    let version = match service {
        Service::Redis => redis::hello_url(&url),
        Service::Postgres => postgres::hello_url(&url),
    };
    // The URL may hold a password, so the message names the variable.
    let version = version.map_err(|reason| format!("{variable}: {reason}"))?;
    Ok(Running {
        service,
        source: Source::Env,
        url,
        version,
        detail: variable.to_owned(),
        took: clock.elapsed(),
        is_first: false,
    })
}
