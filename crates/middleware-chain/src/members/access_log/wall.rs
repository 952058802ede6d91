//! What time it is on the wall.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// For so long, the clock on the wall is believed to go as fast as the one that never steps back.
const READ_EVERY: Duration = Duration::from_secs(1);

/// The time since the epoch of Unix, at `now`.
///
/// Each thread looks at the wall once a second, and counts on from there by a clock that the end of
/// a request has been read from already: to look each time would be a quarter of what a line costs.
pub(super) fn time(now: Instant) -> Duration {
    thread_local! {
        static LOOKED: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
    }
    let looked = LOOKED.get();
    let counted = looked.and_then(|(at, was)| Some((now.checked_duration_since(at)?, was)));
    if let Some((since, was)) = counted.filter(|(since, _)| *since < READ_EVERY) {
        return was + since;
    }
    let on_the_wall = SystemTime::now().duration_since(UNIX_EPOCH);
    let on_the_wall = on_the_wall.unwrap_or_default();
    LOOKED.set(Some((now, on_the_wall)));
    on_the_wall
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_is_looked_at_once_a_second_and_counted_on_from() {
        let now = Instant::now();
        let before = SystemTime::now().duration_since(UNIX_EPOCH);
        let first = time(now);
        assert!(before.expect("after 1970") <= first);
        let later = Duration::from_millis(999);
        assert_eq!(time(now + later), first + later);
        // Long ago for a clock that goes on, and a moment for the one on the wall.
        let again = time(now + READ_EVERY);
        assert!(again < first + later, "{again:?}");
        let earlier = now.checked_sub(later).expect("the machine runs longer");
        assert!(
            time(earlier) >= first,
            "one that lies before is not counted from"
        );
    }
}
