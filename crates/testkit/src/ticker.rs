//! Wakes a task every few milliseconds of real time, whatever runtime the task is on.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::Duration;

const TICK: Duration = Duration::from_millis(2);

/// A thread that lives as long as this value.
pub(crate) struct Ticker {
    waker: Arc<Mutex<Waker>>,
    _alive: Sender<()>,
}

impl Ticker {
    pub(crate) fn start(waker: &Waker) -> Self {
        let waker = Arc::new(Mutex::new(waker.clone()));
        let (alive, gone) = mpsc::channel::<()>();
        let ticked = Arc::clone(&waker);
        thread::spawn(move || {
            while gone.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let waker = ticked
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                waker.wake();
            }
        });
        Self {
            waker,
            _alive: alive,
        }
    }

    /// From now on the task of `waker` is woken.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(waker);
    }
}
