//! The manifests: one place for lints and versions, and no library that needs another.

use crate::manifest::{Entry, Manifest};
use crate::workspace::{Package, Workspace};

const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];

pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    let published: Vec<&Package> = workspace
        .packages
        .iter()
        .filter(|package| package.is_published())
        .collect();
    let mut findings = versioned_testkit(&workspace.manifest);
    for package in &workspace.packages {
        let mut of_package = common(&package.manifest);
        if package.is_published() {
            let missing = LICENCES
                .iter()
                .filter(|file| !package.dir.join(file).exists());
            of_package.extend(missing.map(|file| format!("{file} is missing (a symlink will do)")));
            of_package.extend(for_a_stranger(&package.manifest));
            let others = published.iter().filter(|other| !is_part(package, other));
            let others: Vec<&str> = others.map(|other| other.name.as_str()).collect();
            of_package.extend(needs_another(&package.manifest, &others));
        }
        findings.extend(
            of_package
                .into_iter()
                .map(|what| format!("{}: {what}", package.name)),
        );
    }
    findings
}

/// Whether one lies in the other's folder, as a library's macros do.
fn is_part(package: &Package, other: &Package) -> bool {
    package.dir.starts_with(&other.dir) || other.dir.starts_with(&package.dir)
}

fn common(manifest: &Manifest) -> Vec<String> {
    let mut findings = Vec::new();
    if manifest.get("lints", "workspace") != Some("true") {
        findings.push("[lints] workspace = true is missing".to_owned());
    }
    for entry in dependencies(manifest) {
        let is_shared = entry.key.ends_with(".workspace")
            || entry.value.contains("workspace = true")
            || (entry.value.contains("path = ") && !entry.value.contains("version = "));
        if !is_shared && !entry.section.contains("dependencies.") {
            let name = name_of(entry);
            findings.push(format!(
                "{name} takes its version from [workspace.dependencies]"
            ));
        }
    }
    findings
}

/// What a page of a registry and of docs.rs is made of.
fn for_a_stranger(manifest: &Manifest) -> Vec<String> {
    let is_proc_macro = manifest.get("lib", "proc-macro") == Some("true");
    let keys: &[&str] = if is_proc_macro {
        &["description"]
    } else {
        &["description", "keywords", "categories"]
    };
    let has = |key: &str| {
        let inherited = format!("{key}.workspace");
        manifest
            .get("package", key)
            .or(manifest.get("package", &inherited))
            .is_some()
    };
    let missing = keys
        .iter()
        .chain(&["include", "license"])
        .filter(|key| !has(key));
    let mut findings: Vec<String> = missing.map(|key| format!("it has no {key}")).collect();
    if !is_proc_macro
        && manifest
            .section("package.metadata.docs.rs")
            .next()
            .is_none()
    {
        findings.push("it has no [package.metadata.docs.rs]".to_owned());
    }
    findings
}

fn needs_another(manifest: &Manifest, others: &[&str]) -> Vec<String> {
    let needed = dependencies(manifest)
        .map(name_of)
        .filter(|name| others.contains(name));
    needed
        .map(|name| format!("it needs {name}: our libraries stand alone"))
        .collect()
}

/// Cargo leaves a dependency without a version out of what it publishes.
fn versioned_testkit(root: &Manifest) -> Vec<String> {
    let entries = root.section("workspace.dependencies");
    let with = entries.filter(|entry| entry.key == "testkit" && entry.value.contains("version"));
    with.map(|_| "Cargo.toml: testkit has a version, so it would have to be published".to_owned())
        .collect()
}

/// The entries of `[dependencies]` and its likes, `[target.….dev-dependencies]` too.
fn dependencies(manifest: &Manifest) -> impl Iterator<Item = &Entry> {
    manifest.entries().iter().filter(|entry| {
        let section = entry.section.as_str();
        section.ends_with("dependencies") || section.contains("dependencies.")
    })
}

fn name_of(entry: &Entry) -> &str {
    let in_section = entry
        .section
        .rsplit_once("dependencies.")
        .map(|(_, name)| name);
    in_section.unwrap_or_else(|| entry.key.split('.').next().unwrap_or(&entry.key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lints_and_versions_come_from_the_workspace() {
        let good = "[lints]\nworkspace = true\n[dependencies]\na.workspace = true\nb = { workspace = true, features = [\"x\"] }\nc = { path = \"../c\" }\n";
        assert_eq!(common(&Manifest::parse(good)), [""; 0]);
        let bad = "[dependencies]\na = \"1\"\n[target.'cfg(unix)'.dev-dependencies]\nb = { version = \"1\" }\n";
        assert_eq!(common(&Manifest::parse(bad)).len(), 3);
    }

    #[test]
    fn a_library_that_needs_another_is_found_even_if_only_for_its_tests() {
        for text in [
            "[dev-dependencies]\nctxsvc.workspace = true\n",
            "[dependencies]\nctxsvc = { workspace = true, optional = true }\n",
            "[dependencies.ctxsvc]\nworkspace = true\n",
        ] {
            assert_eq!(
                needs_another(&Manifest::parse(text), &["ctxsvc"]).len(),
                1,
                "{text}"
            );
        }
        let good =
            Manifest::parse("[dependencies]\ntokio.workspace = true\n[features]\nctxsvc = []\n");
        assert_eq!(needs_another(&good, &["ctxsvc"]), [""; 0]);
    }

    #[test]
    fn a_published_crate_without_its_metadata_is_found() {
        let good = "[package]\ndescription = \"d\"\nkeywords = [\"k\"]\ncategories = [\"c\"]\ninclude.workspace = true\nlicense.workspace = true\n[package.metadata.docs.rs]\nall-features = true\n";
        assert_eq!(for_a_stranger(&Manifest::parse(good)), [""; 0]);
        assert_eq!(for_a_stranger(&Manifest::parse("[package]\n")).len(), 6);
        let macros = "[package]\ndescription = \"d\"\ninclude.workspace = true\nlicense.workspace = true\n[lib]\nproc-macro = true\n";
        assert_eq!(for_a_stranger(&Manifest::parse(macros)), [""; 0]);
    }

    #[test]
    fn a_version_of_testkit_is_found() {
        let bad = "[workspace.dependencies]\ntestkit = { path = \"crates/testkit\", version = \"0.1\" }\n";
        assert_eq!(versioned_testkit(&Manifest::parse(bad)).len(), 1);
        assert_eq!(
            versioned_testkit(&Manifest::parse(&bad.replace(", version = \"0.1\"", ""))),
            [""; 0]
        );
    }
}
