//! Traces of the machine on which somebody worked.

use std::env;
use std::path::Path;

use super::Finding;

/// Places that are the same everywhere: a path there is no trace.
const COMMON: [&str; 8] = ["/", "/tmp", "/usr", "/var", "/home", "/opt", "/srv", "/mnt"];

/// The folders of this machine that no file may name.
#[derive(Debug)]
pub(super) struct Machine {
    folders: Vec<String>,
}

impl Machine {
    pub(super) fn this(root: &Path) -> Self {
        let home = env::home_dir().unwrap_or_default();
        let above = root.parent().unwrap_or(root);
        let places = [root, above, &home].map(|path| path.to_string_lossy().into_owned());
        Self::with(places)
    }

    fn with(places: impl IntoIterator<Item = String>) -> Self {
        let special = places
            .into_iter()
            .filter(|it| !it.is_empty() && !COMMON.contains(&it.as_str()));
        let mut folders: Vec<String> = special.map(|place| format!("{place}/")).collect();
        folders.sort();
        folders.dedup();
        Self { folders }
    }

    pub(super) fn traces_in(&self, text: &str) -> Vec<Finding> {
        let of = |(index, line): (usize, &str)| {
            let folder = self.folders.iter().find(|folder| has_path(line, folder));
            Some((index + 1, format!("a path of this machine: {}", folder?)))
        };
        text.lines().enumerate().filter_map(of).collect()
    }
}

/// Whether the path starts there: `/code/` is not in `frame/code/`.
fn has_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"_-./}*~".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_and_what_only_ends_like_one_is_not() {
        let machine = Machine::with(["/me/code".to_owned(), "/tmp".to_owned()]);
        let bad = "cd /me/code/x\nin \"/me/code/\"\n";
        let lines: Vec<usize> = machine.traces_in(bad).into_iter().map(|it| it.0).collect();
        assert_eq!(lines, [1, 2]);
        let good = "~/me/code/\n/me/codes\n/tmp/x\nhttps://docs.rs/me/code/x\n";
        assert_eq!(machine.traces_in(good), []);
    }
}
