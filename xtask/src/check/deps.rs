//! `deps.txt` of each published crate: a new dependency is a line in a diff.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::{Options, Outcome, report};
use crate::run;
use crate::workspace::{Package, Workspace};

pub(super) fn check(workspace: &Workspace, options: &Options) -> Outcome {
    let mut findings = Vec::new();
    let mut sizes = Vec::new();
    for package in workspace
        .packages
        .iter()
        .filter(|package| package.is_published())
    {
        match compare(workspace, package, options.bless) {
            Ok(size) => sizes.push(format!("{} {size}", package.name)),
            Err(finding) => findings.push(finding),
        }
    }
    report(&findings, sizes.join(", "))
}

/// Compares the list with the file, or writes it there; returns its length.
fn compare(workspace: &Workspace, package: &Package, bless: bool) -> Result<usize, String> {
    let mut tree = workspace.cargo();
    tree.args([
        "tree",
        "-p",
        &package.name,
        "-e",
        "normal",
        "--prefix",
        "none",
    ]);
    // One platform, so that the list is the same wherever it is made.
    tree.args(["--target", "x86_64-unknown-linux-gnu"]);
    let names = names(&run::text(&mut tree, Duration::from_secs(120))?);
    let file = package.dir.join("deps.txt");
    let text = names
        .iter()
        .fold(String::new(), |text, name| text + name + "\n");
    if bless {
        fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        return Ok(names.len());
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    let committed: BTreeSet<String> = committed.lines().map(str::to_owned).collect();
    if committed == names {
        return Ok(names.len());
    }
    let list = |set: Vec<&String>| set.into_iter().cloned().collect::<Vec<_>>().join(" ");
    Err(format!(
        "{}: new [{}], gone [{}]; if that is meant: cargo xtask check --bless",
        file.strip_prefix(&workspace.root)
            .unwrap_or(&file)
            .display(),
        list(names.difference(&committed).collect()),
        list(committed.difference(&names).collect()),
    ))
}

/// The names in the output of `cargo tree --prefix none`.
fn names(tree: &str) -> BTreeSet<String> {
    tree.lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_counts_once_in_whatever_version() {
        let tree = "errchain v0.1.0 (/src/errchain)\nsyn v2.0.1\nquote v1.0.0\nsyn v3.0.0 (*)\n";
        let names: Vec<String> = names(tree).into_iter().collect();
        assert_eq!(names, ["errchain", "quote", "syn"]);
    }
}
