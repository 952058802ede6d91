//! The packages of the workspace and their targets, found by walking its folders: `cargo
//! metadata` would want a JSON parser.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::manifest::Manifest;

/// Where cargo builds, if that is not `target` in the workspace.
const TARGET_VARIABLE: &str = "CARGO_TARGET_DIR";

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo builds, and where the services live.
    pub(crate) target: PathBuf,
    pub(crate) manifest: Manifest,
    /// By name.
    pub(crate) packages: Vec<Package>,
}

#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) manifest: Manifest,
    /// The library's root file, if there is a library.
    pub(crate) lib: Option<PathBuf>,
    pub(crate) has_bins: bool,
    /// The integration tests: name and root file.
    pub(crate) tests: Vec<(String, PathBuf)>,
    pub(crate) examples: Vec<String>,
}

impl Workspace {
    /// The workspace that this program belongs to.
    pub(crate) fn find() -> Result<Self, String> {
        // Cargo tells which checkout runs it: the build may be shared by several.
        let own = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = own.parent().ok_or("xtask has no folder above it")?;
        let target = env::var_os(TARGET_VARIABLE).map_or(root.join("target"), PathBuf::from);
        let target = std::path::absolute(target).map_err(|error| error.to_string())?;
        Self::read(root, target)
    }

    pub(crate) fn read(root: &Path, target: PathBuf) -> Result<Self, String> {
        let manifest = Manifest::read(&root.join("Cargo.toml"))?;
        let excluded = manifest.array("workspace", "exclude");
        let mut packages = Vec::new();
        for dir in candidates(root) {
            let outside = excluded.iter().any(|path| dir == root.join(path));
            if !outside && dir.join("Cargo.toml").is_file() {
                packages.push(Package::read(dir)?);
            }
        }
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self {
            root: root.to_owned(),
            target,
            manifest,
            packages,
        })
    }
}

impl Workspace {
    /// The cargo that runs us, in the root and with the same target folder.
    pub(crate) fn cargo(&self) -> Command {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.root);
        // A relative one is meant from the folder that we were called in.
        if env::var_os(TARGET_VARIABLE).is_some() {
            command.env(TARGET_VARIABLE, &self.target);
        }
        command
    }

    /// The package that a file belongs to, by its path from the root.
    pub(crate) fn package_of(&self, file: &Path) -> Option<&Package> {
        let file = self.root.join(file);
        let around = self
            .packages
            .iter()
            .filter(|package| file.starts_with(&package.dir));
        around.max_by_key(|package| package.dir.as_os_str().len())
    }
}

impl Package {
    fn read(dir: PathBuf) -> Result<Self, String> {
        let manifest = Manifest::read(&dir.join("Cargo.toml"))?;
        let name = manifest
            .get("package", "name")
            .unwrap_or_default()
            .to_owned();
        let lib = dir.join(manifest.get("lib", "path").unwrap_or("src/lib.rs"));
        Ok(Self {
            lib: lib.is_file().then_some(lib),
            has_bins: dir.join("src/main.rs").is_file() || dir.join("src/bin").is_dir(),
            tests: targets(&dir.join("tests")).collect(),
            examples: targets(&dir.join("examples"))
                .map(|(name, _)| name)
                .collect(),
            name,
            dir,
            manifest,
        })
    }

    pub(crate) fn is_published(&self) -> bool {
        self.manifest.get("package", "publish") != Some("false")
    }

    /// The Rust files of its library and programs.
    pub(crate) fn sources(&self) -> Vec<PathBuf> {
        let mut found = rust_files(&self.dir.join("src"));
        found.extend(self.lib.clone().filter(|lib| !found.contains(lib)));
        found
    }
}

/// Every Rust file under `dir`, in a fixed order.
pub(crate) fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in children(dir) {
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// What lies in a folder, sorted; nothing if there is no such folder.
pub(crate) fn children(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn candidates(root: &Path) -> Vec<PathBuf> {
    let crates = children(&root.join("crates"));
    let macros = crates
        .iter()
        .map(|dir| dir.join("macros"))
        .collect::<Vec<_>>();
    [crates, macros, vec![root.join("docs"), root.join("xtask")]].concat()
}

/// The programs in a folder, a file or a folder with a `main.rs` each: name and root file.
fn targets(dir: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    children(dir).into_iter().filter_map(|path| {
        let root = if path.is_dir() {
            path.join("main.rs")
        } else {
            path.clone()
        };
        let is_rust = root.extension().is_some_and(|extension| extension == "rs");
        let name = path.file_stem()?.to_string_lossy().into_owned();
        (is_rust && root.is_file()).then_some((name, root))
    })
}
