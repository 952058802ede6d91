//! Which tiers run on which packages, and what stands in their way.

use super::Options;
use super::tier::Tier;
use crate::failure::{Failure, Result};
use crate::services::client::Found;
use crate::services::{Choice, Service};
use crate::workspace::{Package, Workspace};

#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) jobs: Vec<Job<'a>>,
    pub(crate) choice: Choice,
    required: Vec<Service>,
    /// Tiers that were asked for by name.
    named: Vec<Tier>,
}

/// A tier on the packages that have tests of it.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    pub(crate) tier: Tier,
    pub(crate) packages: Vec<&'a Package>,
    /// All packages that were named, whatever tests they have; empty for the whole workspace.
    pub(crate) named: Vec<&'a Package>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(workspace: &'a Workspace, options: &Options, is_ci: bool) -> Result<Self> {
        let scope = scope(workspace, &options.packages)?;
        let named = if options.packages.is_empty() {
            Vec::new()
        } else {
            scope.clone()
        };
        let mut jobs = Vec::new();
        for tier in Tier::ALL {
            let is_named = options.tiers.contains(&tier);
            let is_default = options.tiers.is_empty() && tier.is_default(is_ci);
            if !is_named && !is_default {
                continue;
            }
            let packages: Vec<_> = scope.iter().copied().filter(|it| tier.is_in(it)).collect();
            if !packages.is_empty() {
                jobs.push(Job {
                    tier,
                    packages,
                    named: named.clone(),
                });
            } else if is_named {
                return Err(Failure::Usage(format!(
                    "no package has {} tests",
                    tier.name()
                )));
            }
        }
        let implied = if is_ci {
            Service::ALL.to_vec()
        } else {
            Vec::new()
        };
        let required = match options.choice {
            Choice::None => Vec::new(),
            _ => options.require.clone().unwrap_or(implied),
        };
        Ok(Self {
            jobs,
            choice: options.choice,
            required,
            named: options.tiers.clone(),
        })
    }

    /// The services that `of` names for the tiers of the plan.
    pub(crate) fn services(&self, of: impl Fn(Tier) -> Option<Service>) -> Vec<Service> {
        self.jobs.iter().filter_map(|job| of(job.tier)).collect()
    }

    /// The services whose programs tests may start. Those of a served tier may start more of
    /// the same.
    pub(crate) fn programs(&self) -> Vec<Service> {
        let wanted: Vec<Service> = self
            .jobs
            .iter()
            .flat_map(|job| job.needs().into_iter().chain(job.tier.served()))
            .collect();
        Service::ALL
            .into_iter()
            .filter(|service| wanted.contains(service))
            .collect()
    }

    /// Whether a job that cannot run is a failure: its services are required, or it was asked
    /// for by name. With `--services none` nothing is.
    pub(crate) fn requires(&self, job: &Job<'_>) -> bool {
        let wants = job.tier.served().into_iter().chain(job.needs());
        self.choice != Choice::None
            && (self.named.contains(&job.tier)
                || wants
                    .into_iter()
                    .any(|service| self.required.contains(&service)))
    }
}

impl Job<'_> {
    /// The services whose programs its tests cannot do without.
    pub(crate) fn needs(&self) -> Vec<Service> {
        let mut needs: Vec<Service> = self
            .packages
            .iter()
            .flat_map(|package| self.tier.programs(package))
            .collect();
        needs.sort_unstable();
        needs.dedup();
        needs
    }

    /// Why it cannot run, if it can't.
    pub(crate) fn obstacle(&self, found: &Found, choice: Choice) -> Option<String> {
        let served = self.tier.served();
        let is_up = |service| found.running.iter().any(|it| it.service == service);
        let has_program = |service| found.programs.iter().any(|(it, _)| *it == service);
        let without_server = served.filter(|service| !is_up(*service));
        let without_program = self
            .needs()
            .into_iter()
            .find(|service| !has_program(*service));
        let missing = without_server.or(without_program)?;
        if choice == Choice::None {
            return Some("--services none".to_owned());
        }
        let reason = found
            .no_programs
            .iter()
            .find(|(it, _)| *it == missing && without_server.is_none());
        Some(reason.map_or_else(|| format!("no {missing}"), |(_, reason)| reason.clone()))
    }
}

/// What tests find in their environment.
pub(crate) fn variables(found: &Found) -> Vec<(&'static str, String)> {
    let urls = found
        .running
        .iter()
        .map(|it| (it.service.test_variable(), it.url.clone()));
    let programs = found.programs.iter();
    let programs =
        programs.map(|(it, path)| (it.program_variable(), path.to_string_lossy().into_owned()));
    urls.chain(programs).collect()
}
/// The version and source of a tier's server, for the closing line.
pub(crate) fn note(tier: Tier, found: &Found) -> Option<String> {
    let service = tier.served()?;
    let running = found.running.iter().find(|it| it.service == service)?;
    let version = if running.version.is_empty() {
        "version unknown"
    } else {
        &running.version
    };
    Some(format!("{version}, {}", running.source))
}

fn scope<'a>(workspace: &'a Workspace, names: &[String]) -> Result<Vec<&'a Package>> {
    for name in names {
        if !workspace
            .packages
            .iter()
            .any(|package| package.name == *name)
        {
            return Err(Failure::Usage(format!(
                "there is no package {name:?} in the workspace"
            )));
        }
    }
    let is_in = |package: &&Package| names.is_empty() || names.contains(&package.name);
    Ok(workspace.packages.iter().filter(is_in).collect())
}
