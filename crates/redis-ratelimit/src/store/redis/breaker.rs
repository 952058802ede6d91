//! A circuit breaker: a store that does not answer is not asked for a while.
//!
//! It opens after five faults in a row, or when more than half of at least twenty requests within
//! a second have failed. When its time is over, one request asks whether the server is there, in
//! the background; until that is answered, nobody waits for the server. A server that answers and
//! then fails again stays closed out for twice as long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::guard::jitter;
use crate::observe;

const FAULTS_IN_A_ROW: u32 = 5;
const REQUESTS_MIN: u32 = 20;
const WINDOW: Duration = Duration::from_secs(1);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    position: Position,
    /// Of the next opening. A request that succeeds sets it back.
    pause: Duration,
    faults_in_a_row: u32,
    window_ends: Instant,
    requests: u32,
    faults: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Closed,
    Open {
        until: Instant,
    },
    /// The question whether the server is there is on its way.
    Probing,
}

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    Ask,
    Refuse,
    /// As `Refuse`, but see whether the server is back, and tell by a [`Probe`].
    RefuseAndProbe,
}

impl Breaker {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            state: Mutex::new(State {
                position: Position::Closed,
                pause: FIRST_PAUSE,
                faults_in_a_row: 0,
                window_ends: now + WINDOW,
                requests: 0,
                faults: 0,
            }),
        }
    }

    pub(crate) fn pass(&self, now: Instant) -> Pass {
        let mut state = self.state();
        match state.position {
            Position::Closed => Pass::Ask,
            Position::Open { until } if now >= until => {
                state.position = Position::Probing;
                Pass::RefuseAndProbe
            }
            Position::Open { .. } | Position::Probing => Pass::Refuse,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.state().position != Position::Closed
    }

    /// A request was answered.
    pub(super) fn succeeded(&self, now: Instant) {
        let mut state = self.state();
        state.count(now, 0);
        state.faults_in_a_row = 0;
        state.pause = FIRST_PAUSE;
    }

    /// A request was not answered.
    pub(super) fn failed(&self, now: Instant) {
        if self.opens(now) {
            observe::breaker(true);
        }
    }

    /// Counts a fault. True if that opens the breaker.
    fn opens(&self, now: Instant) -> bool {
        let mut state = self.state();
        state.count(now, 1);
        state.faults_in_a_row = state.faults_in_a_row.saturating_add(1);
        let most_fail = state.requests >= REQUESTS_MIN && state.faults > state.requests / 2;
        let opens = state.position == Position::Closed
            && (state.faults_in_a_row >= FAULTS_IN_A_ROW || most_fail);
        if opens {
            state.open(now);
        }
        opens
    }

    /// The server is there, or it is not.
    fn probed(&self, now: Instant, is_there: bool) {
        let mut state = self.state();
        if is_there {
            state.position = Position::Closed;
            state.start_over(now);
        } else {
            state.open(now);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Its numbers are sound at any time: nothing that could panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Breaker {
    /// Who waits for it to close would wait for ever.
    fn drop(&mut self) {
        if self.is_open() {
            observe::open_breakers(-1.0);
        }
    }
}

impl State {
    fn open(&mut self, now: Instant) {
        // From 80 % to 120 %, so that a fleet does not come back as one.
        let until = now + self.pause * 4 / 5 + jitter(self.pause * 2 / 5);
        self.position = Position::Open { until };
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn count(&mut self, now: Instant, faults: u32) {
        if now >= self.window_ends {
            self.start_over(now);
        }
        self.requests = self.requests.saturating_add(1);
        self.faults = self.faults.saturating_add(faults);
    }

    fn start_over(&mut self, now: Instant) {
        self.window_ends = now + WINDOW;
        self.requests = 0;
        self.faults = 0;
    }
}

/// The question whether the server is back. Dropped, it tells what came of it: so it is answered
/// also if its task goes down with its runtime.
pub(crate) struct Probe {
    breaker: Arc<Breaker>,
    is_there: bool,
}

impl Probe {
    pub(crate) fn of(breaker: &Arc<Breaker>) -> Self {
        Self {
            breaker: Arc::clone(breaker),
            is_there: false,
        }
    }

    pub(crate) fn succeeded(mut self) {
        self.is_there = true;
        observe::breaker(false);
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.breaker.probed(Instant::now(), self.is_there);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn open(breaker: &Breaker, now: Instant) {
        let opened = (0..5).filter(|_| breaker.opens(now)).count();
        assert_eq!(opened, 1);
    }

    #[test]
    fn it_opens_after_five_faults_in_a_row_and_not_after_four() {
        let now = Instant::now();
        let breaker = Breaker::new(now);
        for _ in 0..3 {
            (0..4).for_each(|_| assert!(!breaker.opens(now)));
            breaker.succeeded(now);
        }
        (0..4).for_each(|_| assert!(!breaker.opens(now)));
        assert_eq!(breaker.pass(now), Pass::Ask);
        assert!(breaker.opens(now));
        assert_eq!(breaker.pass(now), Pass::Refuse);
    }

    #[test]
    fn it_opens_when_more_than_half_of_twenty_fail_within_a_second() {
        let start = Instant::now();
        // Milliseconds between two requests, faults among four of them: opens.
        for (between_ms, faults, opens) in [(10, 2, false), (10, 3, true), (60, 3, false)] {
            let breaker = Breaker::new(start);
            let mut opened = false;
            for request in 0..200_u32 {
                let now = start + ms(between_ms) * request;
                // The last ones of four, so that it is never more than half of those so far.
                if request % 4 >= 4 - faults {
                    opened |= breaker.opens(now);
                } else {
                    breaker.succeeded(now);
                }
            }
            assert_eq!(opened, opens, "{between_ms} ms, {faults}");
        }
    }

    #[test]
    fn it_asks_once_whether_the_server_is_back_and_waits_longer_each_time() {
        let mut now = Instant::now();
        let breaker = Breaker::new(now);
        open(&breaker, now);
        for pause_ms in [100, 200, 400, 800, 1_600, 2_000, 2_000] {
            now += ms(pause_ms * 4 / 5 - 1);
            assert_eq!(breaker.pass(now), Pass::Refuse, "{pause_ms}");
            now += ms(pause_ms * 2 / 5 + 1);
            assert_eq!(breaker.pass(now), Pass::RefuseAndProbe, "{pause_ms}");
            assert_eq!(breaker.pass(now), Pass::Refuse, "{pause_ms}");
            breaker.probed(now, false);
        }
        now += ms(3_000);
        assert_eq!(breaker.pass(now), Pass::RefuseAndProbe);
        breaker.probed(now, true);
        assert_eq!(breaker.pass(now), Pass::Ask);
    }

    /// Of gauges there is the one.
    #[cfg(feature = "metrics")]
    mod gauge {
        use std::sync::Arc;
        use std::sync::atomic::AtomicU64;

        use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};

        /// The bits of a float.
        #[derive(Default)]
        pub(super) struct Recorder(pub(super) Arc<AtomicU64>);

        impl metrics::Recorder for Recorder {
            fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
            fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
            fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
            fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
                Counter::noop()
            }
            fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
                Gauge::from_arc(Arc::clone(&self.0))
            }
            fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
                Histogram::noop()
            }
        }
    }

    #[cfg(feature = "metrics")]
    #[test]
    fn the_gauge_counts_the_breakers_that_are_open_and_still_there() {
        let recorder = gauge::Recorder::default();
        // ORDERING: Relaxed. All of this is one thread.
        let count = || f64::from_bits(recorder.0.load(std::sync::atomic::Ordering::Relaxed));
        metrics::with_local_recorder(&recorder, || {
            let now = Instant::now();
            let [closed, back, gone] = [(); 3].map(|()| Arc::new(Breaker::new(now)));
            (0..4).for_each(|_| closed.failed(now));
            (0..9).for_each(|_| back.failed(now));
            (0..9).for_each(|_| gone.failed(now));
            assert_eq!(count().to_bits(), 2.0_f64.to_bits());
            Probe::of(&back).succeeded();
            drop(Probe::of(&gone));
            assert_eq!(count().to_bits(), 1.0_f64.to_bits());
            drop((closed, back, gone));
            assert_eq!(count().to_bits(), 0.0_f64.to_bits());
        });
    }

    #[test]
    fn a_probe_whose_task_is_lost_has_failed() {
        let mut now = Instant::now();
        let breaker = Arc::new(Breaker::new(now));
        open(&breaker, now);
        now += ms(120);
        assert_eq!(breaker.pass(now), Pass::RefuseAndProbe);
        drop(Probe::of(&breaker));
        assert_eq!(breaker.pass(now), Pass::Refuse);
        now += ms(3_000);
        assert_eq!(breaker.pass(now), Pass::RefuseAndProbe, "and not for ever");
    }

    #[test]
    fn a_server_that_greets_and_fails_is_left_alone_for_longer_until_it_works() {
        let mut now = Instant::now();
        let breaker = Breaker::new(now);
        open(&breaker, now);
        now += ms(120);
        assert_eq!(breaker.pass(now), Pass::RefuseAndProbe);
        breaker.probed(now, true);
        assert!(breaker.opens(now), "one more is enough");
        assert_eq!(breaker.pass(now + ms(150)), Pass::Refuse);

        now += ms(240);
        assert_eq!(breaker.pass(now), Pass::RefuseAndProbe);
        breaker.probed(now, true);
        breaker.succeeded(now);
        (0..4).for_each(|_| assert!(!breaker.opens(now)));
        assert!(breaker.opens(now));
        now += ms(120);
        assert_eq!(
            breaker.pass(now),
            Pass::RefuseAndProbe,
            "the first pause again"
        );
    }
}
