//! A data folder for Postgres: made once on a machine, then copied.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::USER;
use crate::StartError;
use crate::process::folder::{Owner, shared_folder};

/// Makes `data`, which belongs to `owner`.
pub(super) fn fill(data: &Path, postgres: &Path, owner: Option<Owner>) -> Result<(), StartError> {
    let template = template_folder(postgres, owner)?;
    if is_ours(&template, data, owner) {
        return run(
            Command::new("cp").arg("-R").args([&template, data]),
            data,
            owner,
        );
    }
    make(data, postgres, owner)?;
    keep(data, &template, owner)
}

/// One for each version and user: `/tmp/testkit-postgres-15-18-0`.
fn template_folder(postgres: &Path, owner: Option<Owner>) -> Result<PathBuf, StartError> {
    let output = Command::new(postgres).arg("--version").output();
    let output = output.map_err(StartError::io(format!("running {}", postgres.display())))?;
    let version: String = String::from_utf8_lossy(&output.stdout)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let uid = owner.map_or_else(|| "own".to_owned(), |owner| owner.uid.to_string());
    Ok(shared_folder().join(format!("testkit-{}-{uid}", version.trim_matches('-'))))
}

/// Whether the template is there, and nobody else has put it there.
fn is_ours(template: &Path, data: &Path, owner: Option<Owner>) -> bool {
    let its_uid = fs::symlink_metadata(template)
        .ok()
        .filter(fs::Metadata::is_dir)
        .map(|metadata| metadata.uid());
    let our_uid = match owner {
        Some(owner) => Some(owner.uid),
        None => data
            .parent()
            .and_then(|folder| Some(fs::metadata(folder).ok()?.uid())),
    };
    its_uid.is_some() && its_uid == our_uid
}

fn make(data: &Path, postgres: &Path, owner: Option<Owner>) -> Result<(), StartError> {
    let mut initdb = Command::new(postgres.with_file_name("initdb"));
    initdb
        .args(["--username", USER, "--auth", "trust", "--encoding", "UTF8"])
        .args(["--locale", "C", "--no-sync", "--pgdata"])
        .arg(data);
    run(&mut initdb, data, owner)
}

/// Puts a copy in the place of the template, whole or not at all.
fn keep(data: &Path, template: &Path, owner: Option<Owner>) -> Result<(), StartError> {
    let copy = data.with_file_name("copy");
    run(
        Command::new("cp").arg("-R").args([data, &copy]),
        data,
        owner,
    )?;
    match fs::rename(&copy, template) {
        // Another test was faster: the copy goes with the server's folder.
        Err(_) if template.is_dir() => Ok(()),
        renamed_or_not => renamed_or_not.map_err(StartError::io("keeping the data folder")),
    }
}

fn run(command: &mut Command, data: &Path, owner: Option<Owner>) -> Result<(), StartError> {
    let folder = data.parent().expect("the data lies in the server's folder");
    command.current_dir(folder).stdin(Stdio::null());
    if let Some(owner) = owner {
        owner.run(command);
    }
    let doing = format!("running {}", command.get_program().display());
    let output = command.output().map_err(StartError::io(doing.clone()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(StartError::io(doing)(io::Error::other(words)))
}
