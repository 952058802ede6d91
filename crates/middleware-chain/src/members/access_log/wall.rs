//! What time it is on the wall.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// For so long, the clock on the wall is believed to go as fast as the one that never steps back.
const READ_EVERY: Duration = Duration::from_secs(1);

/// The last look at the wall: when, and what it showed.
type Look = Cell<Option<(Instant, Duration)>>;

/// The time since the epoch of Unix, at `now`.
///
/// Each thread looks at the wall once a second, and counts on from there by a clock that the end of
/// a request has been read from already: to look each time would be a quarter of what a line costs.
pub(super) fn time(now: Instant) -> Duration {
    thread_local! {
        static LOOKED: Look = const { Cell::new(None) };
    }
    LOOKED.with(|looked| time_at(now, looked, on_the_wall))
}

fn on_the_wall() -> Duration {
    let shown = SystemTime::now().duration_since(UNIX_EPOCH);
    shown.unwrap_or_default()
}

fn time_at(now: Instant, looked: &Look, wall: impl FnOnce() -> Duration) -> Duration {
    let counted = looked.get();
    let counted = counted.and_then(|(at, was)| Some((now.checked_duration_since(at)?, was)));
    if let Some((since, was)) = counted.filter(|(since, _)| *since < READ_EVERY) {
        return was + since;
    }
    let shown = wall();
    looked.set(Some((now, shown)));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_is_looked_at_once_a_second_and_counted_on_from() {
        const YEARS: Duration = Duration::from_secs(1_700_000_000);
        let (begin, looked) = (Instant::now(), Cell::new(None));
        // When it is asked, what the wall shows then, and what is told: all in milliseconds.
        for (now, shown, told) in [
            (5_000, 20_000, 20_000),
            (5_999, 70_000, 20_999),
            (6_000, 10_000, 10_000),
            (6_001, 70_000, 10_001),
            // What lies before the last look is not counted from it.
            (5_999, 30_000, 30_000),
        ] {
            let [now, shown, told] = [now, shown, told].map(Duration::from_millis);
            let time = time_at(begin + now, &looked, || YEARS + shown);
            assert_eq!(time, YEARS + told, "at {now:?}");
        }
    }
}
