//! What a published package contains: an allow-list kept by mistake publishes too little.

use std::time::Duration;

use super::{Outcome, report};
use crate::run;
use crate::workspace::Workspace;

/// Written by cargo, or taken by its rules.
const BY_CARGO: [&str; 4] = [
    "Cargo.toml",
    "Cargo.toml.orig",
    "Cargo.lock",
    ".cargo_vcs_info.json",
];
const REQUIRED: [&str; 3] = ["LICENSE-APACHE", "LICENSE-MIT", "README.md"];
const ALLOWED: [&str; 1] = ["CHANGELOG.md"];
const FOLDERS: [&str; 2] = ["src/", "examples/"];

pub(super) fn check(workspace: &Workspace) -> Outcome {
    let mut findings = Vec::new();
    let mut count = 0;
    for package in workspace
        .packages
        .iter()
        .filter(|package| package.is_published())
    {
        count += 1;
        let mut list = workspace.cargo();
        list.args(["package", "--list", "--allow-dirty", "-p", &package.name]);
        match run::text(&mut list, Duration::from_secs(60)) {
            Ok(files) => {
                let wrong = wrong_in(&files).into_iter();
                findings.extend(wrong.map(|what| format!("package {}: {what}", package.name)));
            }
            Err(error) => findings.push(error),
        }
    }
    report(&findings, format!("{count} published"))
}

fn wrong_in(files: &str) -> Vec<String> {
    let is_expected = |file: &&str| {
        let by_name = BY_CARGO
            .iter()
            .chain(&REQUIRED)
            .chain(&ALLOWED)
            .any(|name| name == file);
        by_name || FOLDERS.iter().any(|folder| file.starts_with(folder))
    };
    let extra = files.lines().filter(|file| !is_expected(file));
    let missing = REQUIRED
        .iter()
        .filter(|name| !files.lines().any(|file| file == **name));
    extra
        .map(|file| format!("{file} should not be in it"))
        .chain(missing.map(|file| format!("{file} is not in it")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_and_too_little_are_both_found() {
        let good = ".cargo_vcs_info.json\nCHANGELOG.md\nCargo.toml\nLICENSE-APACHE\nLICENSE-MIT\nREADME.md\nexamples/a.rs\nsrc/lib.rs";
        assert_eq!(wrong_in(good), [""; 0]);
        let bad = "Cargo.toml\nLICENSE-APACHE\nREADME.md\nsrc/lib.rs\ntests/redis.rs";
        assert_eq!(
            wrong_in(bad),
            [
                "tests/redis.rs should not be in it",
                "LICENSE-MIT is not in it"
            ]
        );
    }
}
