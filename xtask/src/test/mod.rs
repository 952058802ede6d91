//! `cargo xtask test`: the tests of every tier, on real servers, and one honest line at the end.

mod count;
mod plan;
mod runner;
mod summary;
mod tier;

pub(crate) use tier::Tier;

use crate::failure::{Failure, Result};
use crate::say::{print, say};
use crate::services::client::{Found, Services};
use crate::services::{Choice, Request, Service, fixes};
use crate::workspace::Workspace;
use plan::Plan;
use runner::Runner;
use summary::{Row, Summary};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    /// None for all.
    pub(crate) packages: Vec<String>,
    /// None for the default ones.
    pub(crate) tiers: Vec<Tier>,
    pub(crate) choice: Choice,
    pub(crate) offline: bool,
    /// Services to fail without; `None` leaves it to `CI`.
    pub(crate) require: Option<Vec<Service>>,
    pub(crate) keep: bool,
    pub(crate) repeat: u32,
    pub(crate) full: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            packages: Vec::new(),
            tiers: Vec::new(),
            choice: Choice::default(),
            offline: false,
            require: None,
            keep: false,
            repeat: 1,
            full: false,
        }
    }
}

pub(crate) fn execute(workspace: &Workspace, options: &Options) -> Result {
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let plan = Plan::new(workspace, options, is_ci)?;
    let request = Request {
        choice: options.choice,
        offline: options.offline,
        serve: plan.services(Tier::served),
        programs: plan.programs(),
    };
    let wants_some = options.choice != Choice::None
        && !(request.serve.is_empty() && request.programs.is_empty());
    // Started first, so that they come up while the tests are built.
    let mut services = wants_some.then(|| Services::start(request)).transpose()?;
    let runner = Runner::find(workspace, options.full);
    let mut summary = Summary::new(options.repeat);
    for turn in 1..=options.repeat {
        if options.repeat > 1 {
            say(format_args!("xtask: turn {turn} of {}", options.repeat));
        }
        for job in &plan.jobs {
            let row = run_job(&runner, &plan, job, services.as_mut())?;
            summary.add(row);
        }
        if summary.has_failed() {
            break;
        }
    }
    finish(&plan, options, services, summary)
}

fn run_job(
    runner: &Runner<'_>,
    plan: &Plan<'_>,
    job: &plan::Job<'_>,
    mut services: Option<&mut Services>,
) -> Result<Row> {
    let nothing = Found::default();
    let needs_servers = !job.needs().is_empty() || job.tier.served().is_some();
    let found = match services.as_deref_mut().filter(|_| needs_servers) {
        Some(services) => services.found(),
        None => &nothing,
    };
    if let Some(reason) = job.obstacle(found, plan.choice) {
        let is_required = plan.requires(job);
        return Ok(Row::not_run(job.tier, reason, is_required));
    }
    let mut variables = plan::variables(found);
    let note = plan::note(job.tier, found);
    variables.extend(services.as_deref().map(Services::mark));
    let counts = runner.run(job, &variables, |pid| {
        if let Some(services) = services.as_deref_mut() {
            services.watch(pid);
        }
    })?;
    Ok(Row::ran(job.tier, counts, note))
}

fn finish(
    plan: &Plan<'_>,
    options: &Options,
    services: Option<Services>,
    mut summary: Summary,
) -> Result {
    if let Some(mut services) = services {
        let found = services.found();
        for service in plan.services(Tier::served) {
            let is_there = found.running.iter().any(|it| it.service == service);
            if !is_there {
                let text = fixes::explain(service, options.choice, found);
                say(format_args!("\n{text}"));
            }
        }
        if let Err(reason) = end(services, options.keep) {
            say(format_args!("xtask: servers: {reason}"));
            summary.fail_services(reason);
        }
    }
    // The servers are gone by now: nothing comes after the closing line.
    let (totals, line) = (summary.totals(), summary.closing_line());
    let _ = print(format_args!("{totals}\n{line}"));
    if summary.has_failed() {
        Err(Failure::Reported)
    } else {
        Ok(())
    }
}

/// Ends the servers, or leaves them running and says how to use them.
fn end(mut services: Services, keep: bool) -> std::result::Result<(), String> {
    if !keep {
        return services.finish();
    }
    let running = services.found().running.clone();
    services.keep()?;
    for it in running {
        say(format_args!(
            "export {}={}",
            it.service.test_variable(),
            it.url
        ));
    }
    say("xtask: the servers stay until `cargo xtask services down`");
    Ok(())
}
