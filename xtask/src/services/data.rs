//! Data folders for Postgres: `initdb` takes a second, copying what it made a tenth of that.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::home::{self, Account, Home};
use super::postgres;
use crate::run;

const INITDB_LIMIT: Duration = Duration::from_secs(60);

/// Part of the cache's name: a change of `initdb`'s flags must not meet an older folder.
const LAYOUT: &str = "1";

/// Makes the data folder `to` for the programs in `bin`; tells whether it is the first of its kind.
pub(crate) fn provide(home: &Home, bin: &Path, run: &str, to: &Path) -> Result<bool, String> {
    let mut ask = Command::new(bin.join("postgres"));
    let version = run::text(ask.arg("--version"), Duration::from_secs(5))?;
    let name = format!("postgres-{}-{}-{LAYOUT}", safe(&version), home.uid());
    let ready = home.cache().join(&name);
    let is_first = !ready.is_dir();
    if is_first {
        let draft = home.draft(run).join(name);
        home.make(&draft)?;
        make(bin, &draft, home.unprivileged())?;
        home::publish(&draft, &ready)?;
    }
    let copied = copy(&ready, to, home.unprivileged());
    copied.map_err(|error| format!("copying {}: {error}", ready.display()))?;
    Ok(is_first)
}

fn make(bin: &Path, draft: &Path, account: Option<Account>) -> Result<(), String> {
    give_to(draft, account).map_err(|error| format!("{}: {error}", draft.display()))?;
    run::text(&mut postgres::initdb(bin, draft, account), INITDB_LIMIT).map(drop)
}

/// Copies a folder that `initdb` made; its files stay private to the account.
fn copy(from: &Path, to: &Path, account: Option<Account>) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    give_to(to, account)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, account)?;
        } else {
            fs::copy(entry.path(), &target)?;
            give_to(&target, account)?;
        }
    }
    Ok(())
}

fn give_to(path: &Path, account: Option<Account>) -> io::Result<()> {
    let Some(Account { uid, gid }) = account else {
        return Ok(());
    };
    std::os::unix::fs::chown(path, Some(uid), Some(gid))
}

/// A version as part of a file's name: `postgres (PostgreSQL) 15.20` and the packager's own.
fn safe(version: &str) -> String {
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    version
        .trim_start_matches("postgres (PostgreSQL) ")
        .chars()
        .map(keep)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_has_a_folder_of_its_own_with_a_plain_name() {
        let debian = safe("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)");
        assert_eq!(debian, "15.20--Debian-15.20-0-deb12u1-");
        assert_ne!(debian, safe("postgres (PostgreSQL) 15.20"));
        assert_eq!(safe("../x"), "..-x");
    }
}
