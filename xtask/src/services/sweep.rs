//! Clears up what runs that are gone have left, servers and tests, and what `services down` is to
//! stop.

use std::fs;

use super::Running;
use super::container::{self, Engine};
use super::home::Home;
use super::processes::{self, Process};
use super::record::{Body, Record, RunFolder};
use super::server;
use crate::workspace::children;

/// Stops what belongs to runs that are gone.
pub(crate) fn dead(home: &Home) -> Vec<String> {
    stop_all(home, false).1
}

/// Stops what belongs to runs that are gone and what was left running on purpose; returns the
/// latter, and what could not be stopped.
pub(crate) fn dead_and_kept(home: &Home) -> (Vec<Running>, Vec<String>) {
    stop_all(home, true)
}

/// What was left running on purpose and is still alive.
pub(crate) fn kept(home: &Home) -> Vec<Running> {
    let folders = RunFolder::all(home)
        .into_iter()
        .map(|folder| (folder.read(), folder));
    folders
        .filter(|(record, folder)| record.kept && server_is_alive(folder, record))
        .filter_map(|(record, _)| record.running)
        .collect()
}

/// Removes containers of this checkout that no living run and no record knows.
pub(crate) fn containers(home: &Home, engine: Engine) {
    let all = processes::snapshot();
    let known: Vec<String> = RunFolder::all(home)
        .into_iter()
        .map(|folder| container::name(&folder.run, folder.service))
        .collect();
    engine.sweep(home, |name| {
        let run = name
            .strip_prefix("xtask-")
            .and_then(|rest| rest.rsplit_once('-'));
        known.iter().any(|it| it == name) || run.is_some_and(|(run, _)| owner_is_alive(run, &all))
    });
}

fn stop_all(home: &Home, also_kept: bool) -> (Vec<Running>, Vec<String>) {
    let (mut stopped, mut failures) = (Vec::new(), Vec::new());
    remove_drafts(home);
    for folder in RunFolder::all(home) {
        // The record is read before the owner is looked for: an owner that says `kept` and ends
        // in between is seen either alive or with its last word.
        let owner = owner_is_alive(&folder.run, &processes::snapshot());
        let record = folder.read();
        let standing = match (owner, record.kept) {
            (true, _) => Standing::Owned,
            (false, false) => Standing::Lost,
            (false, true) => Standing::Kept {
                is_alive: server_is_alive(&folder, &record),
            },
        };
        if !is_to_stop(standing, also_kept) {
            continue;
        }
        if matches!(standing, Standing::Lost) {
            processes::end_marked(&folder.run);
        }
        let was_up = matches!(standing, Standing::Kept { is_alive: true });
        match server::stop_foreign(&folder, &record) {
            Ok(()) => stopped.extend(record.running.filter(|_| was_up)),
            Err(reason) => failures.push(format!("{}: {reason}", folder.dir.display())),
        }
    }
    (stopped, failures)
}

/// Who has a use for a server.
#[derive(Debug, Clone, Copy)]
enum Standing {
    /// A run that is going on.
    Owned,
    /// Nobody any more.
    Lost,
    /// The person who asked for it to stay.
    Kept { is_alive: bool },
}

fn is_to_stop(standing: Standing, also_kept: bool) -> bool {
    match standing {
        Standing::Owned => false,
        Standing::Lost => true,
        Standing::Kept { is_alive } => also_kept || !is_alive,
    }
}

fn remove_drafts(home: &Home) {
    let all = processes::snapshot();
    for draft in children(&home.drafts()) {
        let run = draft.file_name().unwrap_or_default().to_string_lossy();
        if !owner_is_alive(&run, &all) {
            // It costs some space, and the next start tries again.
            let _ = fs::remove_dir_all(&draft);
        }
    }
}

/// A run's keeper has its name in the command line.
fn owner_is_alive(run: &str, all: &[Process]) -> bool {
    all.iter().any(|process| {
        let mut words = process
            .command
            .split(' ')
            .skip_while(|word| *word != super::keeper::WORD);
        words.any(|word| word == run)
    })
}

fn server_is_alive(folder: &RunFolder, record: &Record) -> bool {
    match &record.body {
        Some(Body::Process { pid }) => server::is_ours(*pid, folder, record),
        Some(Body::Container { engine, name }) => container::is_running(engine, name),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_owns_or_needs_is_stopped() {
        let (alive, died) = (
            Standing::Kept { is_alive: true },
            Standing::Kept { is_alive: false },
        );
        let table = [
            (
                Standing::Owned,
                false,
                false,
                "a run that is going on is never touched",
            ),
            (Standing::Owned, true, false, "nor by `down`"),
            (
                Standing::Lost,
                false,
                true,
                "what a lost run left is stopped",
            ),
            (alive, false, false, "a kept server stays"),
            (
                died,
                false,
                true,
                "a kept server that died leaves no folder",
            ),
            (alive, true, true, "`down` stops a kept server"),
        ];
        for (standing, also_kept, expected, why) in table {
            assert_eq!(is_to_stop(standing, also_kept), expected, "{why}");
        }
    }

    #[test]
    fn an_owner_is_a_keeper_with_the_name_of_the_run() {
        let process = |command: &str| Process {
            pid: 7,
            parent: 1,
            command: command.to_owned(),
        };
        let all = [process(
            "/target/debug/xtask keeper --run 12-ab --serve redis",
        )];
        assert!(owner_is_alive("12-ab", &all));
        assert!(
            !owner_is_alive("12-a", &all),
            "part of a name is another name"
        );
        assert!(!owner_is_alive("12-ab", &[process("vim 12-ab")]));
    }
}
