//! The controller of a pool, if it has one: when it is asked, and what follows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::shared::Shared;
use crate::clock::{NEVER, Nanos, nanos};
use crate::job::discard;
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering};
use crate::{Controller, Window};

/// Who has asked so often, because others came meanwhile, goes on with what it came for: a worker has
/// a job to run. The timekeeper asks for the others.
const IN_A_ROW: usize = 2;

#[derive(Default)]
pub(super) struct Control {
    controller: Option<Mutex<Box<dyn Controller>>>,
    has_panicked: AtomicBool,
    /// How often somebody wanted it asked since it was asked last. Who makes it one asks.
    knocks: AtomicU64,
    /// What has ended since.
    ended: AtomicU64,
    wait: AtomicU64,
    run: AtomicU64,
}

impl Control {
    pub(super) fn by(controller: impl Controller) -> Self {
        Self {
            controller: Some(Mutex::new(Box::new(controller))),
            ..Self::default()
        }
    }

    pub(super) const fn is_there(&self) -> bool {
        self.controller.is_some()
    }

    pub(super) fn has_panicked(&self) -> bool {
        // ORDERING: Relaxed, here and below but for the knocks: they guard no other memory.
        self.has_panicked.load(Ordering::Relaxed)
    }

    pub(super) fn ended(&self, wait: Nanos, run: Nanos) {
        if self.is_there() {
            self.ended.fetch_add(1, Ordering::Relaxed);
            self.wait.fetch_add(wait, Ordering::Relaxed);
            self.run.fetch_add(run, Ordering::Relaxed);
        }
    }

    fn take_ended(&self, window: Window) -> Window {
        // ORDERING: Relaxed. Counters that guard nothing.
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        Window {
            ended: take(&self.ended),
            wait: Duration::from_nanos(take(&self.wait)),
            run: Duration::from_nanos(take(&self.run)),
            ..window
        }
    }
}

/// Asks the controller, if there is one. Never called under a lock of the pool.
pub(super) fn consult(shared: &Arc<Shared>) {
    let control = &shared.control;
    let Some(controller) = &control.controller else {
        return;
    };
    if control.knocks.fetch_add(1, Ordering::SeqCst) > 0 {
        // Whoever asks it now asks once more.
        return;
    }
    for _ in 0..IN_A_ROW {
        let seen = control.knocks.load(Ordering::SeqCst);
        ask(shared, controller);
        if control.has_panicked() {
            // The knocks stay: nobody asks it again.
            return;
        }
        let answered = control
            .knocks
            .compare_exchange(seen, 0, Ordering::SeqCst, Ordering::SeqCst);
        if answered.is_ok() {
            return;
        }
    }
    control.knocks.store(0, Ordering::SeqCst);
    shared.with(|desk| {
        if !desk.is_closed {
            desk.ask_at = 0;
            desk.set_alarm();
        }
    });
}

fn ask(shared: &Arc<Shared>, controller: &Mutex<Box<dyn Controller>>) {
    let window = shared.with(|desk| desk.window());
    let window = shared.control.take_ended(window);
    let now = Duration::from_nanos(shared.now());
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let mut controller = controller.lock();
        let limit = controller.limit(now, &window);
        let window = Window { limit, ..window };
        (limit, controller.again(now, &window))
    }));
    let (limit, again) = answer.unwrap_or_else(|payload| {
        // ORDERING: Relaxed. Who asks reads it, and that is one at a time, by way of the knocks.
        shared.control.has_panicked.store(true, Ordering::Relaxed);
        discard(payload);
        (usize::MAX, None)
    });
    shared.with(|desk| desk.obey(limit, again.map_or(NEVER, nanos)));
}
