//! Traces of the machine on which somebody worked.

use std::env;
use std::path::Path;

use super::Finding;

/// Places that are the same everywhere: a path there is no trace.
const COMMON: [&str; 8] = ["/", "/tmp", "/usr", "/var", "/home", "/opt", "/srv", "/mnt"];

/// Hosts that programs ask and people have no reason to name.
const HOSTS: [&str; 4] = [
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("files.", "pythonhosted.org"),
    concat!("registry-1.", "docker.io"),
];

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
        // Written in two parts, or this file would be the first to have it.
        let everywhere = concat!("/ro", "ot").to_owned();
        Self::with(places.into_iter().chain([everywhere]))
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
            let folder = folder.map(|folder| format!("a path of this machine: {folder}"));
            let host = HOSTS.iter().find(|host| line.contains(**host));
            let host = host.map(|host| format!("the host of a registry: {host}"));
            Some((index + 1, folder.or(host)?))
        };
        text.lines().enumerate().filter_map(of).collect()
    }
}

/// Whether the path starts there: `/work/` is not in `frame/work/`.
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
    fn a_path_or_a_host_is_found_and_what_only_ends_like_one_is_not() {
        let machine = Machine::with(["/me/code".to_owned(), "/tmp".to_owned()]);
        let bad = format!("cd /me/code/x\nin \"/me/code/\"\nfrom {}\n", HOSTS[0]);
        let lines: Vec<usize> = machine.traces_in(&bad).into_iter().map(|it| it.0).collect();
        assert_eq!(lines, [1, 2, 3]);
        let good = "~/me/code/\n/me/codes\n/tmp/x\nhttps://docs.rs/me/code/x\n";
        assert_eq!(machine.traces_in(good), []);
    }
}
