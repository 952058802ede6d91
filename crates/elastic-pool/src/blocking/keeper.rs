//! The timekeeper: a thread that sees to what is due though nobody comes.
//!
//! It is started when a deadline is set that no idle worker will see to, sleeps until the earliest
//! moment at which something is due, and leaves when nothing has been for a while. A pool without
//! deadlines never has one.

use std::sync::Arc;

use super::control;
use super::desk::Desk;
use super::shared::Shared;
use crate::clock::{NEVER, Nanos};
use crate::sync::Parker;

/// Sees to it that the timekeeper wakes up in time.
pub(super) fn ring(shared: &Arc<Shared>) {
    let mut state = shared.state.lock();
    if state.keeper.is_some() {
        // Not to be rung again before it has looked.
        state.keeper = Some(0);
        let parker = state.keeper_parker.clone();
        drop(state);
        // Without a parker it is about to start, and looks by itself.
        if let Some(parker) = parker {
            parker.unpark();
        }
        return;
    }
    state.keeper = Some(0);
    drop(state);
    let ours = Arc::clone(shared);
    let builder = std::thread::Builder::new().name("pool-timekeeper".to_owned());
    let started = (shared.threads.start)(builder, Box::new(move || keep(&ours)));
    if started.is_err() {
        // Deadlines are still seen to by submissions and by workers between two jobs.
        shared.refuse_thread();
        shared.state.lock().keeper = None;
    }
}

fn keep(shared: &Arc<Shared>) {
    let parker = Arc::new(Parker::current());
    shared.state.lock().keeper_parker = Some(Arc::clone(&parker));
    let mut idle_since = None;
    while let Some(until) = look(shared, &mut idle_since) {
        if shared.state.lock().is_to_ask(shared.now()) {
            control::consult(shared);
            continue;
        }
        parker.park(shared.clock.instant(until));
    }
}

/// Does what is due, and says when to look again: `None` to leave.
fn look(shared: &Arc<Shared>, idle_since: &mut Option<Nanos>) -> Option<Nanos> {
    shared.with(|desk| {
        due(desk);
        let alarm = desk.alarm();
        desk.keeper = Some(alarm);
        if alarm != NEVER {
            *idle_since = None;
            return Some(alarm);
        }
        let now = desk.clock.now();
        let since = *idle_since.get_or_insert(now);
        let end = since.saturating_add(desk.settings.idle_timeout);
        if now < end && !desk.is_closed {
            return Some(end);
        }
        desk.keeper = None;
        desk.keeper_parker = None;
        None
    })
}

/// Everything that is due now.
pub(super) fn due(desk: &mut Desk<'_>) {
    desk.expire();
    desk.recruit(1);
    desk.end_drain();
}
