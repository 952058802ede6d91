//! `cargo xtask bench`: ours beside its peers, each crate with a feature and a program of its own
//! so that only its own peers are built.

use crate::failure::{Failure, Result};
use crate::manifest::Manifest;
use crate::workspace::Workspace;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// None for all.
    pub(crate) name: Option<String>,
    pub(crate) quick: bool,
    pub(crate) only: Option<String>,
    /// A peer that is built only when it is named.
    pub(crate) with: Option<String>,
}

pub(crate) fn execute(workspace: &Workspace, options: &Options) -> Result {
    let folder = workspace.root.join("crates/bench");
    let manifest = Manifest::read(&folder.join("Cargo.toml")).unwrap_or_default();
    // A feature for each program that has peers, of the same name. Others add a peer.
    let programs: Vec<&str> = manifest.all("bin", "name").collect();
    let features = manifest.section("features");
    let (names, peers): (Vec<String>, Vec<String>) = features
        .map(|feature| feature.key.clone())
        .partition(|name| programs.contains(&name.as_str()));
    if let Some(peer) = options.with.as_ref().filter(|peer| !peers.contains(peer)) {
        let known = peers.join(", ");
        return Err(Failure::Usage(format!(
            "there is no peer {peer} to add; there is: {known}"
        )));
    }
    let wanted: Vec<&String> = match &options.name {
        Some(name) => names.iter().filter(|it| *it == name).collect(),
        None => names.iter().collect(),
    };
    if wanted.is_empty() {
        let name = options.name.as_deref().unwrap_or("any crate");
        let known = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        return Err(Failure::Usage(format!(
            "there is no bench of {name}; there is: {known}"
        )));
    }
    for name in wanted {
        let mut command = workspace.cargo();
        command
            .args(["run", "--release", "--manifest-path"])
            .arg(folder.join("Cargo.toml"));
        let features = match &options.with {
            Some(peer) => format!("{name},{peer}"),
            None => name.clone(),
        };
        command.args(["--features", &features, "--bin", name, "--"]);
        command.args(options.quick.then_some("--quick"));
        match &options.only {
            Some(row) => {
                command.args(["--only", row]);
            }
            // The book shows whole runs of the full length.
            None if !options.quick => {
                let page = format!("docs/src/work/bench/{name}.md");
                command.arg("--page").arg(workspace.root.join(page));
            }
            None => {}
        }
        let status = command.status();
        if !status.map_err(|error| format!("cargo: {error}"))?.success() {
            return Err(Failure::Reported);
        }
    }
    Ok(())
}
