//! Folders for servers, and the user whom they belong to.

use std::env;
use std::fs::{self, DirBuilder};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::StartError;

/// Another user than ours, to run a server that refuses to run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Owner {
    /// Makes a command run as this user.
    pub(crate) fn run(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }
}

/// Makes a folder that nobody else uses. Whoever asks for it sees to its end.
pub(crate) fn fresh_folder(owner: Option<Owner>) -> Result<PathBuf, StartError> {
    let random = RandomState::new().hash_one(0);
    let folder = shared_folder().join(format!("testkit-{}-{random:016x}", process::id()));
    let made = DirBuilder::new().mode(0o700).create(&folder);
    let handed_over = made.and_then(|()| match owner {
        Some(Owner { uid, gid }) => chown(&folder, Some(uid), Some(gid)),
        None => Ok(()),
    });
    handed_over.map_err(StartError::io(format!(
        "making the folder {}",
        folder.display()
    )))?;
    Ok(folder)
}

/// A folder for temporary files in which any user can reach their own.
pub(crate) fn shared_folder() -> PathBuf {
    let temporary = env::temp_dir();
    if temporary.ancestors().all(is_open_to_all) {
        temporary
    } else {
        "/tmp".into()
    }
}

fn is_open_to_all(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|metadata| metadata.mode() & 0o001 != 0)
}
