//! The house rules that a program can see. Each rule is a function from a file or a manifest to
//! findings, with a bad snippet in its tests.

mod book;
mod comments;
mod links;
mod manifests;
mod paths;
mod size;
mod source;
mod words;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Outcome, report};
use crate::run;
use crate::workspace::{Package, Workspace};
use source::Source;

/// A line, and what is wrong there.
type Finding = (usize, String);

/// The rules for Rust files.
const RUST_RULES: [fn(&Source) -> Vec<Finding>; 9] = [
    size::file_cap,
    size::function_cap,
    size::bare_crate_root,
    words::unfinished,
    words::unwrap,
    words::test_attributes,
    words::looked_up_servers,
    comments::safety,
    comments::ordering,
];

pub(super) fn check(workspace: &Workspace) -> Outcome {
    let files = match files(workspace) {
        Ok(files) => files,
        Err(error) => return report(&[error], String::new()),
    };
    let machine = paths::Machine::this(&workspace.root);
    let mut findings = manifests::check(workspace);
    findings.extend(book::check(&workspace.root));
    for file in &files {
        // Deleted and not committed yet, or a picture.
        let Ok(text) = fs::read_to_string(workspace.root.join(file)) else {
            continue;
        };
        let mut of_file = machine.traces_in(&text);
        let path = Path::new(file);
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => {
                let published = workspace
                    .package_of(path)
                    .is_some_and(Package::is_published);
                let source = Source::parse(file, &text, published);
                of_file.extend(RUST_RULES.iter().flat_map(|rule| rule(&source)));
            }
            Some("md") => of_file.extend(links::broken(&workspace.root, path, &text)),
            _ => {}
        }
        findings.extend(
            of_file
                .into_iter()
                .map(|(line, what)| format!("{file}:{line}: {what}")),
        );
    }
    report(&findings, format!("{} files", files.len()))
}

/// What git knows or would take, relative to the root.
fn files(workspace: &Workspace) -> Result<Vec<String>, String> {
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    let listing = run::text(git.current_dir(&workspace.root), Duration::from_secs(20))?;
    Ok(listing.lines().map(str::to_owned).collect())
}
