//! Where a server's program lies.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::StartError;

/// A program, and the words for an error when it is missing.
pub(crate) struct Program {
    pub(crate) names: &'static [&'static str],
    /// A variable that names the program itself, or the folder in which it lies.
    pub(crate) variable: &'static str,
    /// A folder of Debian's with a folder per version: `/usr/lib/postgresql/15/bin`.
    pub(crate) versions: Option<&'static str>,
    /// The package to install.
    pub(crate) package: &'static str,
}

impl Program {
    /// Finds the program by its variable, else in `PATH`, else where Debian hides it.
    pub(crate) fn find(&self) -> Result<PathBuf, StartError> {
        self.find_with(env::var_os(self.variable), env::var_os("PATH").as_deref())
    }

    fn find_with(
        &self,
        named: Option<OsString>,
        path: Option<&OsStr>,
    ) -> Result<PathBuf, StartError> {
        if let Some(named) = named {
            let named = PathBuf::from(named);
            return self.in_place(&named).ok_or_else(|| self.missing());
        }
        let on_path = path.into_iter().flat_map(env::split_paths);
        on_path
            .chain(self.version_folders())
            .find_map(|folder| self.in_folder(&folder))
            .ok_or_else(|| self.missing())
    }

    fn in_place(&self, named: &Path) -> Option<PathBuf> {
        if named.is_file() {
            Some(named.to_owned())
        } else {
            self.in_folder(named)
        }
    }

    fn in_folder(&self, folder: &Path) -> Option<PathBuf> {
        let mut candidates = self.names.iter().map(|name| folder.join(name));
        candidates.find(|candidate| candidate.is_file())
    }

    /// The newest version first.
    fn version_folders(&self) -> Vec<PathBuf> {
        let entries = self
            .versions
            .and_then(|root| Path::new(root).read_dir().ok());
        let mut folders: Vec<_> = entries.into_iter().flatten().flatten().collect();
        folders.sort_by_key(|entry| {
            let version = entry.file_name().to_string_lossy().parse::<u32>();
            std::cmp::Reverse(version.unwrap_or(0))
        });
        folders
            .into_iter()
            .map(|entry| entry.path().join("bin"))
            .collect()
    }

    fn missing(&self) -> StartError {
        let name = self.names.join(" or ");
        let Self {
            variable, package, ..
        } = self;
        let looked = env::var_os(variable).map_or_else(
            || format!("is not in PATH, and {variable} is not set"),
            |named| format!("is not where {variable} says, {}", named.display()),
        );
        StartError::ProgramMissing(format!(
            "{name} {looked}. One of these helps:\n  \
             cargo xtask test chaos        # finds the program or fetches it, and sets {variable}\n  \
             apt-get install {package}\n  \
             export {variable}=/path/to/{}",
            self.names[0]
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHELL: Program = Program {
        names: &["no-such-shell", "sh"],
        variable: "TESTKIT_TEST_SHELL",
        versions: None,
        package: "dash",
    };

    #[test]
    fn a_program_is_found_by_its_variable_before_the_path() {
        // Variable, PATH: program found.
        for (named, path, found) in [
            (None, Some("/nowhere:/bin"), Some("/bin/sh")),
            (Some("/bin"), None, Some("/bin/sh")),
            (Some("/bin/sh"), Some("/nowhere"), Some("/bin/sh")),
            (Some("/nowhere"), Some("/bin"), None),
            (None, Some("/nowhere"), None),
            (None, None, None),
        ] {
            let program = SHELL.find_with(named.map(Into::into), path.map(OsStr::new));
            let case = format!("{named:?}, {path:?}");
            assert_eq!(program.ok().as_deref(), found.map(Path::new), "{case}");
        }
    }

    #[test]
    fn a_missing_program_comes_with_the_command_that_helps() {
        let error = SHELL.find_with(None, None).expect_err("there is no PATH");
        assert!(error.is_program_missing());
        for fix in [
            "cargo xtask test chaos",
            "apt-get install dash",
            "export TESTKIT_TEST_SHELL=",
        ] {
            assert!(error.to_string().contains(fix), "{fix} in {error}");
        }
    }
}
