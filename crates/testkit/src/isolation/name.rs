//! Names that no other test has, and that tell how old they are.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a test leaves behind that is killed is removed by another run, this much later.
const LEFT_BEHIND_AFTER: Duration = Duration::from_hours(1);

/// How all of them begin.
pub(super) const WORD: &str = "testkit_";

/// `testkit_<seconds since 1970>_<random>`: fit for a key and for an SQL identifier.
pub(super) fn unique() -> String {
    let random = RandomState::new().hash_one(0);
    format!("{WORD}{}_{random:016x}", since_1970().as_secs())
}

/// Whether a name, or a key that begins with one, is so old that its test must have died.
pub(super) fn is_left_behind(name: &str) -> bool {
    made_at(name).is_some_and(|made_at| made_at.saturating_add(LEFT_BEHIND_AFTER) < since_1970())
}

fn made_at(name: &str) -> Option<Duration> {
    let (seconds, _random) = name.strip_prefix(WORD)?.split_once('_')?;
    seconds.parse().ok().map(Duration::from_secs)
}

fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock of a machine that tests is set")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_of_ours_that_is_over_an_hour_old_is_left_behind() {
        let hour_ago = since_1970().as_secs() - 3_600;
        for (name, left_behind) in [
            (unique(), false),
            (format!("{WORD}{}_00ff", hour_ago + 60), false),
            (format!("{WORD}{}_00ff", hour_ago - 1), true),
            (format!("{WORD}{}_00ff:a key", hour_ago - 1), true),
            (format!("other_{}_00ff", hour_ago - 1), false),
            (format!("{WORD}soon_00ff"), false),
            (format!("{WORD}{}_00ff", u64::MAX), false),
        ] {
            assert_eq!(is_left_behind(&name), left_behind, "{name}");
        }
    }
}
