//! Server programs that are installed on this machine.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::Service;
use crate::workspace::children;

/// Folders of distributions that are not in `PATH`, each with a folder per version below it or
/// itself per version.
const POSTGRES_PLACES: [(&str, &str); 5] = [
    ("/usr/lib/postgresql", "bin"),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
    ("/usr/pgsql", "bin"),
    ("/Library/PostgreSQL", "bin"),
];

/// `redis-server` itself, or the folder that holds `postgres` and `initdb`.
pub(crate) fn find(service: Service) -> Result<PathBuf, String> {
    let variable = service.program_variable();
    let path = std::env::var_os("PATH").unwrap_or_default();
    match (service, std::env::var_os(variable)) {
        (Service::Redis, Some(program)) => {
            let program = PathBuf::from(program);
            let found = program.is_file().then(|| program.clone());
            found.ok_or(format!(
                "{variable} names {}, which is no file",
                program.display()
            ))
        }
        (Service::Postgres, Some(dir)) => {
            let dir = PathBuf::from(dir);
            let missing = format!(
                "{variable} names {}, without postgres or initdb",
                dir.display()
            );
            has_both(&dir).then_some(dir).ok_or(missing)
        }
        (Service::Redis, None) => {
            redis_in(&path).ok_or("neither redis-server nor valkey-server is in PATH".to_owned())
        }
        (Service::Postgres, None) => postgres_in(&path, &POSTGRES_PLACES).ok_or(
            "no folder with both postgres and initdb is in PATH or where distributions put it"
                .to_owned(),
        ),
    }
}

fn redis_in(path: &OsStr) -> Option<PathBuf> {
    let in_path = |name| std::env::split_paths(path).map(move |dir| dir.join(name));
    in_path("redis-server")
        .chain(in_path("valkey-server"))
        .find(|program| program.is_file())
}

fn postgres_in(path: &OsStr, places: &[(&str, &str)]) -> Option<PathBuf> {
    let in_path = std::env::split_paths(path).filter_map(|dir| {
        // `initdb` looks for `postgres` beside itself, not beside the link that led to it.
        dir.join("initdb")
            .canonicalize()
            .ok()?
            .parent()
            .map(Path::to_owned)
    });
    let mut versioned: Vec<PathBuf> = places
        .iter()
        .flat_map(|(place, bin)| {
            children(Path::new(place))
                .into_iter()
                .map(move |it| it.join(bin))
        })
        .collect();
    versioned.sort_by_key(|dir| Reverse(number_in(dir)));
    in_path.chain(versioned).find(|dir| has_both(dir))
}

fn has_both(dir: &Path) -> bool {
    dir.join("postgres").is_file() && dir.join("initdb").is_file()
}

/// The first number in a path: `/usr/lib/postgresql/15/bin` is 15.
fn number_in(path: &Path) -> u32 {
    let text = path.to_string_lossy();
    let digits = text
        .split(|c: char| !c.is_ascii_digit())
        .find(|part| !part.is_empty());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn postgres_without_initdb_beside_it_is_passed_over_for_the_newest_that_has_both() {
        let scratch = Scratch::new("programs");
        for file in [
            "bin/postgres",
            "pg/9/bin/postgres",
            "pg/9/bin/initdb",
            "pg/15/bin/postgres",
            "pg/15/bin/initdb",
            "pg/16/bin/initdb",
        ] {
            let path = scratch.path(file);
            fs::create_dir_all(path.parent().expect("it has one")).expect("scratch");
            fs::write(path, "").expect("scratch");
        }
        let place = scratch.path("pg");
        let places = [(place.to_str().expect("UTF-8"), "bin")];
        let found = postgres_in(scratch.path("bin").as_os_str(), &places);
        assert_eq!(found, Some(scratch.path("pg/15/bin")));
    }

    #[test]
    fn redis_is_preferred_to_valkey_wherever_in_the_path_it_is() {
        let scratch = Scratch::new("redis-in-path");
        for file in ["a/valkey-server", "b/redis-server"] {
            let path = scratch.path(file);
            fs::create_dir_all(path.parent().expect("it has one")).expect("scratch");
            fs::write(path, "").expect("scratch");
        }
        let path = std::env::join_paths([scratch.path("a"), scratch.path("b")]).expect("no colon");
        assert_eq!(redis_in(&path), Some(scratch.path("b/redis-server")));
    }
}
