//! `cargo xtask check`: everything about the tree that a program can see without running it.

mod deps;
mod package;
mod tidy;
mod tools;

use std::process::Command;
use std::time::Instant;

use crate::failure::{Failure, Result};
use crate::run;
use crate::say::{print, say};
use crate::workspace::Workspace;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Rewrites `deps.txt` instead of comparing it.
    pub(crate) bless: bool,
}

/// What came of one step.
#[derive(Debug)]
enum Outcome {
    Passed(String),
    /// What is wrong is on the screen already; this is how to see it again.
    Failed {
        again: String,
    },
    /// An optional tool is missing.
    Skipped(String),
}

type Step = (&'static str, fn(&Workspace, &Options) -> Outcome);

/// What is quick comes first.
const STEPS: [Step; 9] = [
    ("tidy", |workspace, _| tidy::check(workspace)),
    ("fmt", |workspace, _| tools::fmt(workspace)),
    ("typos", |workspace, _| tools::typos(workspace)),
    ("deps", deps::check),
    ("package", |workspace, _| package::check(workspace)),
    ("deny", |workspace, _| tools::deny(workspace)),
    ("clippy", |workspace, _| tools::clippy(workspace)),
    ("bench", |workspace, _| tools::bench(workspace)),
    ("rustdoc", |workspace, _| tools::rustdoc(workspace)),
];

pub(crate) fn execute(workspace: &Workspace, options: &Options) -> Result {
    let mut lines = Vec::new();
    let mut failed = false;
    for (name, step) in STEPS {
        say(format_args!("xtask: {name}"));
        let started = Instant::now();
        let outcome = step(workspace, options);
        let seconds = started.elapsed().as_secs_f32();
        failed |= matches!(outcome, Outcome::Failed { .. });
        lines.push(match outcome {
            Outcome::Passed(note) => format!("{name:<8} ok       {seconds:5.1} s  {note}"),
            Outcome::Failed { again } => format!("{name:<8} FAILED   {seconds:5.1} s  {again}"),
            Outcome::Skipped(why) => format!("{name:<8} skipped           {why}"),
        });
    }
    let _ = print(format_args!("\n{}", lines.join("\n")));
    if failed {
        Err(Failure::Reported)
    } else {
        Ok(())
    }
}

/// Runs a command whose words pass through.
fn run_through(command: &mut Command, env: Option<(&str, &str)>) -> Outcome {
    let shown = run::show(command);
    let prefix = env.map_or_else(String::new, |(name, value)| format!("{name}='{value}' "));
    command.envs(env);
    match command.status() {
        Ok(status) if status.success() => Outcome::Passed(String::new()),
        Ok(_) => Outcome::Failed {
            again: prefix + &shown,
        },
        Err(error) => {
            say(format_args!("{shown}: {error}"));
            Outcome::Failed {
                again: prefix + &shown,
            }
        }
    }
}

/// Prints what was found; a step of ours fails if that is anything.
fn report(findings: &[String], passed: String) -> Outcome {
    for finding in findings {
        say(finding);
    }
    if findings.is_empty() {
        Outcome::Passed(passed)
    } else {
        Outcome::Failed {
            again: "cargo xtask check".to_owned(),
        }
    }
}
