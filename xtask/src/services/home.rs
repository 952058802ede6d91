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
    pub(crate) fn open(target: &Path) -> Result<Self, String> {
        let dir = target.join("services");
        let uid = fs::create_dir_all(&dir)
            .and_then(|()| owner(&dir))
            .map_err(naming(&dir))?;
        let mut home = Self { dir, uid };
        if uid == 0 && !(open_up(&home.dir).is_ok() && is_open_to_all(&home.dir)) {
            home.dir = open_temporary(&home.dir, uid)?;
        }
        for folder in [home.runs(), home.drafts(), home.cache(), home.bundled()] {
            home.make(&folder)?;
        }
        Ok(home)
    }

    /// Makes a folder below this one. Whatever the umask is or was, the account that Postgres
    /// runs under can reach it.
    pub(crate) fn make(&self, folder: &Path) -> Result<(), String> {
        fs::create_dir_all(folder).map_err(naming(folder))?;
        if self.uid == 0 {
            let is_below = |it: &&Path| it.starts_with(&self.dir) && **it != self.dir;
            for each in folder.ancestors().take_while(is_below) {
                open_up(each).map_err(naming(each))?;
            }
        }
        Ok(())
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

    /// Programs that were unpacked.
    pub(crate) fn bundled(&self) -> PathBuf {
        self.dir.join("bundled")
    }

    /// Where a run makes what later runs will use.
    pub(crate) fn draft(&self, run: &str) -> PathBuf {
        self.drafts().join(run)
    }

    pub(crate) fn drafts(&self) -> PathBuf {
        self.dir.join("draft")
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

/// Puts what was made as a draft where everybody finds it, all at once: nobody ever copies
/// or runs half of it.
pub(crate) fn publish(draft: &Path, ready: &Path) -> Result<(), String> {
    match fs::rename(draft, ready) {
        // Another run was faster, and its folder is as good.
        Err(_) if ready.is_dir() => Ok(()),
        renamed => renamed.map_err(naming(ready)),
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

/// A folder of this checkout's under the system's temporary folder.
fn open_temporary(private: &Path, uid: u32) -> Result<PathBuf, String> {
    let name = format!(
        "xtask-services-{:016x}",
        hash(private.as_os_str().as_encoded_bytes())
    );
    let dir = shared(std::env::temp_dir()).join(name);
    match fs::create_dir(&dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(naming(&dir)(error));
        }
        // Anybody may make a folder or a link of this name, and what is in it gets run as root.
        Err(_) if !is_ours_alone(&dir, uid).map_err(naming(&dir))? => {
            return Err(format!("{} is somebody else's", dir.display()));
        }
        _ => {}
    }
    open_up(&dir).map_err(naming(&dir))?;
    Ok(dir)
}

/// The temporary folder, unless it is private or missing.
fn shared(temporary: PathBuf) -> PathBuf {
    if is_open_to_all(&temporary) {
        temporary
    } else {
        "/tmp".into()
    }
}

fn is_open_to_all(path: &Path) -> bool {
    let is_open = |folder: &Path| fs::metadata(folder).is_ok_and(|it| it.mode() & 0o001 != 0);
    path.canonicalize()
        .is_ok_and(|path| path.ancestors().all(is_open))
}

/// Lets everybody in.
fn open_up(folder: &Path) -> io::Result<()> {
    let mode = fs::metadata(folder)?.mode() & 0o7777;
    fs::set_permissions(folder, fs::Permissions::from_mode(mode | 0o755))
}

/// An error of the system's with the path that it is about.
fn naming(path: &Path) -> impl Fn(io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
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
    fn folders_are_open_to_the_account_of_postgres_even_after_a_private_umask() {
        let scratch = Scratch::new("umask");
        let home = Home {
            dir: scratch.path("services"),
            uid: 0,
        };
        let (runs, run) = (home.runs(), home.runs().join("1-ab-postgres"));
        fs::create_dir_all(&run).expect("scratch");
        for folder in [&home.dir, &runs, &run] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("ours");
        }
        home.make(&run).expect("it is ours");
        let mode = |folder: &Path| fs::metadata(folder).expect("there").mode() & 0o777;
        assert_eq!([mode(&runs), mode(&run)], [0o755, 0o755]);
        assert_eq!(mode(&home.dir), 0o700, "what is above is not ours to open");
    }

    #[test]
    fn a_private_or_a_missing_temporary_folder_is_replaced_by_tmp() {
        let scratch = Scratch::new("tmpdir");
        let private = scratch.path("private");
        fs::create_dir_all(private.join("inner")).expect("scratch");
        fs::set_permissions(&private, fs::Permissions::from_mode(0o700)).expect("ours");
        for folder in [private.join("inner"), scratch.path("missing")] {
            assert_eq!(shared(folder), Path::new("/tmp"));
        }
        assert_eq!(shared("/".into()), Path::new("/"));
    }

    #[test]
    fn a_home_that_cannot_be_made_is_named() {
        let scratch = Scratch::new("no-home");
        fs::write(scratch.path("file"), "").expect("scratch");
        let message = Home::open(&scratch.path("file")).expect_err("a file is no folder");
        assert!(message.contains("file/services"), "{message}");
    }

    #[test]
    fn two_runs_never_share_a_name() {
        assert_ne!(fresh_run_id(), fresh_run_id());
    }
}
