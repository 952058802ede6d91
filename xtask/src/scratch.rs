//! A folder for one test, gone with it.

use std::path::PathBuf;

#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let id = crate::services::home::fresh_run_id();
        let dir = std::env::temp_dir().join(format!("xtask-test-{name}-{id}"));
        std::fs::create_dir_all(&dir).expect("the temporary folder is writable");
        // Programs say where they are without links: `/tmp` is one on macOS.
        Self(dir.canonicalize().expect("it was just made"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
