//! The time of a slice, and what is left out of it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::raw;

thread_local! {
    /// What was left out on this thread since it began.
    static LEFT_OUT: Cell<Times> = const { Cell::new(Times { wall: 0.0, cpu: 0.0 }) };
}

/// Nanoseconds, by the clock and of the processors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) wall: f64,
    pub(crate) cpu: f64,
}

/// Does what an operation needs and is no part of it: neither its time nor its allocations count.
///
/// It takes two looks at the clocks, a microsecond or so: an operation that lasts less is better
/// prepared once. Only what the thread of the operation does itself can be left out.
///
/// # Examples
///
/// ```
/// use bench::{Row, each, unmeasured};
///
/// let row = Row::new("sort a thousand").ours("std", |_size| {
///     each(|| {
///         let mut numbers: Vec<u64> = unmeasured(|| (0..1_000).map(|n| n * 7_919 % 1_000).collect());
///         numbers.sort_unstable();
///         unmeasured(|| drop(numbers));
///     })
/// });
/// ```
pub fn unmeasured<R>(work: impl FnOnce() -> R) -> R {
    let (result, times) = timed(|| raw::uncounted(work));
    LEFT_OUT.set(LEFT_OUT.get().and(times));
    result
}

/// Runs a slice, and returns what it took.
pub(crate) fn measured<R>(work: impl FnOnce() -> R) -> (R, Times) {
    let before = LEFT_OUT.get();
    let (result, times) = timed(work);
    (result, times.and(before).without(LEFT_OUT.get()))
}

fn timed<R>(work: impl FnOnce() -> R) -> (R, Times) {
    let (began, cpu_began) = (Instant::now(), cpu());
    let result = work();
    let times = Times {
        wall: began.elapsed().as_secs_f64() * 1e9,
        cpu: cpu() - cpu_began,
    };
    (result, times)
}

/// Of all threads of this process.
fn cpu() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(now).map_or(0.0, |time| time.as_secs_f64() * 1e9)
}

impl Times {
    fn and(self, other: Self) -> Self {
        Self {
            wall: self.wall + other.wall,
            cpu: self.cpu + other.cpu,
        }
    }

    fn without(self, other: Self) -> Self {
        Self {
            wall: self.wall - other.wall,
            cpu: self.cpu - other.cpu,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far more than other tests of this process allocate meanwhile. It is never touched.
    const BLOCK: usize = 1 << 28;

    #[test]
    fn what_is_left_out_is_neither_timed_nor_counted() {
        let _alone = raw::alone();
        let busy = || {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(200) {}
            vec![0_u8; BLOCK]
        };
        let ((_, bytes), within) = measured(|| {
            raw::count(true, || {
                drop(unmeasured(busy));
            })
        });
        assert!(within.wall < 100e6, "{within:?}");
        assert!(bytes < BLOCK as u64, "{bytes}");
        let (_, within) = measured(busy);
        assert!(
            within.wall >= 200e6,
            "what was left out before is not made up for: {within:?}"
        );
    }
}
