//! Where servers have their data, their logs and the programs that were unpacked for them.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::processes;

/// One folder per checkout: `target/services`, or one under the system's temporary folder where
/// the account that Postgres runs under could not reach the first.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    dir: PathBuf,
    /// The account that owns the folder, which is ours.
    uid: u32,
}

/// The account that a server runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Home {
    pub(crate) fn open(target: &Path) -> io::Result<Self> {
        let dir = target.join("services");
        fs::create_dir_all(&dir)?;
        let uid = owner(&dir)?;
        if uid != 0 || is_open_to_all(&dir)? {
            return Ok(Self { dir, uid });
        }
        let name = format!(
            "xtask-services-{:016x}",
            hash(dir.as_os_str().as_encoded_bytes())
        );
        let open = std::env::temp_dir().join(name);
        match fs::create_dir(&open) {
            Ok(()) => fs::set_permissions(&open, fs::Permissions::from_mode(0o755))?,
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            // Anybody may make a folder or a link of this name, and what is in it gets run as root.
            Err(_) if !is_ours_alone(&open, uid)? => {
                return Err(io::Error::other(format!(
                    "{} is somebody else's",
                    open.display()
                )));
            }
            Err(_) => {}
        }
        Ok(Self { dir: open, uid })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// One folder per server that runs, named `RUN-SERVICE`.
    pub(crate) fn runs(&self) -> PathBuf {
        self.dir.join("run")
    }

    /// Data folders ready to be copied.
    pub(crate) fn cache(&self) -> PathBuf {
        self.dir.join("cache")
    }

    /// Where a run makes what later runs will use.
    pub(crate) fn draft(&self, run: &str) -> PathBuf {
        self.drafts().join(run)
    }

    pub(crate) fn drafts(&self) -> PathBuf {
        self.dir.join("draft")
    }

    /// Puts what was made as a draft where everybody finds it, all at once: nobody ever copies
    /// or runs half of it.
    pub(crate) fn publish(&self, draft: &Path, ready: &Path) -> Result<(), String> {
        let renamed = fs::create_dir_all(ready.parent().unwrap_or(&self.dir))
            .and_then(|()| fs::rename(draft, ready));
        match renamed {
            // Another run was faster, and its folder is as good.
            Err(_) if ready.is_dir() => Ok(()),
            renamed => renamed.map_err(|error| format!("{}: {error}", ready.display())),
        }
    }

    /// The account for Postgres, which refuses to run as root; `None` if ours will do.
    pub(crate) fn unprivileged(&self) -> Option<Account> {
        const NOBODY: Account = Account {
            uid: 65534,
            gid: 65534,
        };
        (self.uid == 0).then(|| {
            let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
            account_of("postgres", &users).unwrap_or(NOBODY)
        })
    }

    /// The account that servers of ours run under.
    pub(crate) fn uid(&self) -> u32 {
        self.unprivileged().map_or(self.uid, |account| account.uid)
    }
}

/// A name for one run that no other run has had: it is looked for in command lines.
pub(crate) fn fresh_run_id() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |elapsed| elapsed.as_nanos());
    format!("{}-{nanos:x}", processes::own_pid())
}

fn account_of(name: &str, users: &str) -> Option<Account> {
    let line = users
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut ids = line.split(':').skip(2).map(str::parse);
    Some(Account {
        uid: ids.next()?.ok()?,
        gid: ids.next()?.ok()?,
    })
}

/// FNV-1a: the same on every start, which `RandomState` is not.
fn hash(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold)
}

fn owner(path: &Path) -> io::Result<u32> {
    Ok(fs::metadata(path)?.uid())
}

fn is_open_to_all(path: &Path) -> io::Result<bool> {
    for folder in path.canonicalize()?.ancestors() {
        if fs::metadata(folder)?.mode() & 0o001 == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A folder, no link to one, that only we can write to.
fn is_ours_alone(path: &Path, uid: u32) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    Ok(metadata.is_dir() && metadata.uid() == uid && metadata.mode() & 0o022 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let users =
            "root:x:0:0::/:/bin/sh\npostgresql:x:7:8::/:\npostgres:x:101:104:PG,,,:/var:/bin/sh\n";
        assert_eq!(
            account_of("postgres", users),
            Some(Account { uid: 101, gid: 104 })
        );
        assert_eq!(account_of("post", users), None);
    }

    #[test]
    fn a_folder_that_others_can_write_to_or_a_link_is_not_ours_alone() {
        let scratch = Scratch::new("home");
        let (folder, link) = (scratch.path("folder"), scratch.path("link"));
        fs::create_dir(&folder).expect("scratch");
        std::os::unix::fs::symlink(&folder, &link).expect("scratch");
        let uid = owner(&folder).expect("it is there");
        for (mode, expected) in [(0o755, true), (0o775, false), (0o757, false)] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).expect("ours");
            assert_eq!(
                is_ours_alone(&folder, uid).expect("there"),
                expected,
                "{mode:o}"
            );
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("ours");
        assert!(
            !is_ours_alone(&link, uid).expect("there"),
            "a link leads anywhere"
        );
        assert!(
            !is_ours_alone(&folder, uid + 1).expect("there"),
            "somebody else's"
        );
    }

    #[test]
    fn two_runs_never_share_a_name() {
        assert_ne!(fresh_run_id(), fresh_run_id());
    }
}
