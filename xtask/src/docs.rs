//! `cargo xtask docs`: the documentation of the crates, and the book where mdBook is installed.

use std::process::Command;
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::run;
use crate::say::say;
use crate::workspace::Workspace;

pub(crate) fn execute(workspace: &Workspace, open: bool) -> Result {
    let mut rustdoc = workspace.cargo();
    rustdoc.args(["doc", "--workspace", "--all-features", "--no-deps"]);
    through(rustdoc.args(open.then_some("--open")))?;
    let version = run::output(
        Command::new("mdbook").arg("--version"),
        Duration::from_secs(10),
    );
    if version.is_err() {
        say("xtask: the book reads well as it is: docs/src/SUMMARY.md");
        say("xtask: to build it: cargo install --locked mdbook");
        return Ok(());
    }
    let mut book = Command::new("mdbook");
    through(
        book.args(["build", "docs"])
            .args(open.then_some("--open"))
            .current_dir(&workspace.root),
    )
}

fn through(command: &mut Command) -> Result {
    let status = command
        .status()
        .map_err(|error| format!("{}: {error}", run::show(command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Reported)
    }
}
