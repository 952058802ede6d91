//! Whether a new error captures its stack.

use core::cell::Cell;
use core::marker::PhantomData;
use core::panic::Location;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::ffi::OsString;
use std::sync::OnceLock;
use std::time::Instant;

use crate::Code;

/// When to capture a stack.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Policy {
    /// Never.
    Never,
    /// As `std` does: if `RUST_LIB_BACKTRACE` or else `RUST_BACKTRACE` is set, and not to `0`.
    /// They are read once.
    Env,
    /// Always, also for errors that are the client's fault.
    Always,
    /// For this share of all errors, evenly spread: 0.01 is every hundredth.
    Sample(f32),
    /// For this many errors a second at each place where errors come up.
    Rate {
        /// How many.
        per_second: u32,
    },
}

/// Sets the policy for the whole process.
pub fn set_policy(policy: Policy) {
    // ORDERING: Relaxed. The policy guards no other memory.
    GLOBAL.store(encode(policy), Ordering::Relaxed);
}

/// Sets the policy for this thread, for as long as what it returns is kept. For tests, whose
/// outcome then does not depend on the environment or on each other.
///
/// Scopes end in the reverse order of their beginnings, as local variables do by themselves.
pub fn scoped(policy: Policy) -> Scope {
    // ORDERING: Relaxed. A thread that has a scope sees its own count, and others need not.
    SCOPES.fetch_add(1, Ordering::Relaxed);
    Scope {
        outer: OF_THREAD.replace(Some(policy)),
        of_thread: PhantomData,
    }
}

/// The policy of a thread: see [`scoped`].
#[derive(Debug)]
#[must_use = "the policy ends when this is dropped"]
pub struct Scope {
    outer: Option<Policy>,
    /// It belongs to the thread that made it.
    of_thread: PhantomData<*const ()>,
}

impl Drop for Scope {
    fn drop(&mut self) {
        OF_THREAD.set(self.outer);
        // ORDERING: Relaxed, see `scoped`.
        SCOPES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The policy in 64 bits: which one above, its number below.
static GLOBAL: AtomicU64 = AtomicU64::new(ENV << 32);
/// How many scopes there are in all threads: as long as there are none, nobody looks for one.
static SCOPES: AtomicUsize = AtomicUsize::new(0);
std::thread_local! {
    static OF_THREAD: Cell<Option<Policy>> = const { Cell::new(None) };
}

const NEVER: u64 = 0;
const ENV: u64 = 1;
const ALWAYS: u64 = 2;
const SAMPLE: u64 = 3;
const RATE: u64 = 4;

fn encode(policy: Policy) -> u64 {
    match policy {
        Policy::Never => NEVER << 32,
        Policy::Env => ENV << 32,
        Policy::Always => ALWAYS << 32,
        Policy::Sample(share) => SAMPLE << 32 | u64::from(share.to_bits()),
        Policy::Rate { per_second } => RATE << 32 | u64::from(per_second),
    }
}

fn decode(bits: u64) -> Policy {
    let number = u32::try_from(bits & u64::from(u32::MAX)).expect("masked to 32 bits");
    match bits >> 32 {
        NEVER => Policy::Never,
        ENV => Policy::Env,
        ALWAYS => Policy::Always,
        SAMPLE => Policy::Sample(f32::from_bits(number)),
        _ => Policy::Rate { per_second: number },
    }
}

/// A new error with this code, come up here, is to capture its stack.
#[inline]
pub(crate) fn is_wanted(code: Option<&Code>, site: &'static Location<'static>) -> bool {
    // ORDERING: Relaxed, see `set_policy`. A scope of this thread was counted by this thread.
    let global = GLOBAL.load(Ordering::Relaxed);
    let is_quiet = global == NEVER << 32 && SCOPES.load(Ordering::Relaxed) == 0;
    let has_own = code.is_some_and(|code| code.capture().is_some());
    (!is_quiet || has_own) && decide(code, site, global)
}

#[cold]
#[inline(never)]
fn decide(code: Option<&Code>, site: &'static Location<'static>, global: u64) -> bool {
    if let Some(own) = code.and_then(Code::capture) {
        return own;
    }
    // The thread may be ending, and its variables gone.
    let of_thread = OF_THREAD.try_with(Cell::get).ok().flatten();
    let policy = of_thread.unwrap_or_else(|| decode(global));
    let is_clients_fault = code.is_some_and(|code| code.kind().is_client_error());
    match policy {
        Policy::Never => false,
        Policy::Always => true,
        _ if is_clients_fault => false,
        Policy::Env => env(),
        Policy::Sample(share) => sample(share),
        Policy::Rate { per_second } => rate(site, per_second),
    }
}

fn env() -> bool {
    static IS_SET: OnceLock<bool> = OnceLock::new();
    *IS_SET.get_or_init(|| {
        let [library, program] = ["RUST_LIB_BACKTRACE", "RUST_BACKTRACE"].map(std::env::var_os);
        let is_set = asks_for_stacks(library, program);
        if !is_set {
            // From now on the quick check is enough, unless somebody else was quicker.
            let env = encode(Policy::Env);
            // ORDERING: Relaxed, see `set_policy`.
            let _ = GLOBAL.compare_exchange(env, NEVER << 32, Ordering::Relaxed, Ordering::Relaxed);
        }
        is_set
    })
}

/// What the two variables say: the one for libraries if it is set at all, else the other one.
fn asks_for_stacks(library: Option<OsString>, program: Option<OsString>) -> bool {
    library.or(program).is_some_and(|value| value != "0")
}

fn sample(share: f32) -> bool {
    static TURN: AtomicU32 = AtomicU32::new(0);
    // ORDERING: Relaxed. A turn is taken once under any ordering.
    is_sampled(TURN.fetch_add(1, Ordering::Relaxed), share)
}

/// Whether it is this turn's turn. Multiples of the golden ratio fill the circle evenly, so that
/// every run of turns has its share, and no period of the program can keep step with them.
fn is_sampled(turn: u32, share: f32) -> bool {
    const GOLDEN: u32 = 0x9E37_79B9;
    let point = f64::from(turn.wrapping_mul(GOLDEN)) / (f64::from(u32::MAX) + 1.0);
    point < f64::from(share)
}

fn rate(site: &'static Location<'static>, per_second: u32) -> bool {
    /// Places that share a slot share their rate; the table never grows.
    const SLOTS: usize = 256;
    static TABLE: [AtomicU64; SLOTS] = [const { AtomicU64::new(0) }; SLOTS];
    static START: OnceLock<Instant> = OnceLock::new();

    let second = START.get_or_init(Instant::now).elapsed().as_secs();
    // Locations are at least 16 bytes apart.
    let slot = (core::ptr::from_ref(site).addr() >> 4) % SLOTS;
    admit(&TABLE[slot], second, per_second)
}

/// Counts one in this second, if it is not full yet.
fn admit(slot: &AtomicU64, second: u64, per_second: u32) -> bool {
    let second = second & u64::from(u32::MAX);
    // ORDERING: Relaxed. The slot holds all there is to decide on.
    slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |packed| {
        let is_new = packed >> 32 != second;
        let count = if is_new {
            0
        } else {
            packed & u64::from(u32::MAX)
        };
        (count < u64::from(per_second)).then_some(second << 32 | (count + 1))
    })
    .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_survives_being_packed() {
        for policy in [
            Policy::Never,
            Policy::Env,
            Policy::Always,
            Policy::Sample(0.25),
            Policy::Rate {
                per_second: u32::MAX,
            },
        ] {
            assert_eq!(decode(encode(policy)), policy);
        }
    }

    #[test]
    fn the_environment_asks_as_it_asks_std() {
        for (library, program, asks) in [
            (None, None, false),
            (None, Some("0"), false),
            (None, Some("1"), true),
            (None, Some("full"), true),
            (None, Some(""), true),
            (Some("0"), Some("1"), false),
            (Some("1"), Some("0"), true),
        ] {
            let outcome = asks_for_stacks(library.map(Into::into), program.map(Into::into));
            assert_eq!(outcome, asks, "{library:?} {program:?}");
        }
    }

    #[test]
    fn a_sample_is_the_share_it_says_in_every_run_of_turns() {
        for (share, from, turns, least, most) in [
            (0.0, 0, 1_000, 0, 0),
            (1.0, 0, 1_000, 1_000, 1_000),
            (0.01, 0, 10_000, 98, 102),
            (0.25, u32::MAX - 500, 1_000, 248, 252),
            (f32::NAN, 0, 100, 0, 0),
        ] {
            let hits = (0..turns)
                .filter(|turn| is_sampled(u32::wrapping_add(from, *turn), share))
                .count();
            assert!((least..=most).contains(&hits), "{share}: {hits}");
        }
    }

    #[test]
    fn a_rate_admits_so_many_each_second() {
        let slot = AtomicU64::new(0);
        for second in [0, 1, 5, u64::from(u32::MAX) + 9] {
            let admitted = (0..10).filter(|_| admit(&slot, second, 3)).count();
            assert_eq!(admitted, 3, "in second {second}");
        }
        assert!(!admit(&slot, 0, 0));
    }
}
