//! The steps that other programs do.

use std::process::Command;
use std::time::Duration;

use super::{Outcome, run_through};
use crate::run;
use crate::workspace::Workspace;

pub(super) fn fmt(workspace: &Workspace) -> Outcome {
    run_through(&mut cargo_in(workspace, &["fmt", "--all", "--check"]), None)
}

pub(super) fn clippy(workspace: &Workspace) -> Outcome {
    let args = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ];
    run_through(&mut cargo_in(workspace, &args), None)
}

/// The harness of the benchmarks: a workspace of its own, which the steps before do not see. The
/// programs in it are built with their peers by `cargo xtask bench`.
pub(super) fn bench(workspace: &Workspace) -> Outcome {
    let manifest = "crates/bench/Cargo.toml";
    let fmt = ["fmt", "--manifest-path", manifest, "--check"];
    let clippy = ["clippy", "--manifest-path", manifest, "--all-targets"];
    match run_through(&mut cargo_in(workspace, &fmt), None) {
        Outcome::Passed(_) => run_through(
            cargo_in(workspace, &clippy).args(["--", "-D", "warnings"]),
            None,
        ),
        failed => failed,
    }
}

pub(super) fn rustdoc(workspace: &Workspace) -> Outcome {
    let args = ["doc", "--workspace", "--all-features", "--no-deps"];
    run_through(
        &mut cargo_in(workspace, &args),
        Some(("RUSTDOCFLAGS", "-D warnings")),
    )
}

pub(super) fn deny(workspace: &Workspace) -> Outcome {
    if !is_there(cargo_in(workspace, &["deny", "--version"])) {
        return Outcome::Skipped("not installed: cargo install --locked cargo-deny".to_owned());
    }
    // Advisories want the network and change without us; the nightly workflow asks for them.
    let args = [
        "deny",
        "--workspace",
        "check",
        "bans",
        "licenses",
        "sources",
    ];
    run_through(&mut cargo_in(workspace, &args), None)
}

pub(super) fn typos(workspace: &Workspace) -> Outcome {
    let mut probe = Command::new("typos");
    probe.arg("--version");
    if !is_there(probe) {
        return Outcome::Skipped("not installed: python3 -m pip install typos".to_owned());
    }
    run_through(Command::new("typos").current_dir(&workspace.root), None)
}

fn cargo_in(workspace: &Workspace, args: &[&str]) -> Command {
    let mut command = workspace.cargo();
    command.args(args);
    command
}

fn is_there(mut probe: Command) -> bool {
    run::output(&mut probe, Duration::from_secs(10)).is_ok_and(|output| output.status.success())
}
