//! The cell of a job: one allocation for its work, its result and who waits for it. All `unsafe` of
//! the crate is in this folder.
//!
//! One word says what the cell is at, and each step of a job changes it once: a lock would change it
//! twice. What keeps that sound, and what each `SAFETY` comment stands on:
//!
//! 1. **Before the start** the body is the work, and nobody touches it.
//! 2. **The start.** `STARTED` is set once and never cleared. Who has set it holds the one
//!    [`Begun`], and with it the body, until it says `ENDED`.
//! 3. **The end.** `ENDED` is set once, after the body was written for the last time by the one who
//!    had begun. From then on it is the handle's.
//! 4. **One handle.** A cell has at most one [`Receiver`], which is made with it, cannot be cloned,
//!    and is polled through `&mut`.
//! 5. **The waiter.** Only the handle writes it, and only while its own last step has found `ENDED` not
//!    set and left `WAITER` not set. Who ends the job only reads it, and only if `WAITER` was set in
//!    the step that set `ENDED`. All three steps are on the one word, so one comes first: if the
//!    handle's, there is no reader until the handle sets `WAITER`; if the end, the handle finds `ENDED`
//!    and writes no more. So the two may read at once, and nobody reads while the other writes.
//! 6. **Threads.** Work, result and waker are `Send`, and nobody has a reference to the work or the
//!    result while another one may: so the cell is `Sync`.

mod cell;
#[cfg(all(test, model))]
mod loom_tests;

#[cfg(any(feature = "task", all(test, not(model))))]
pub(crate) use cell::Begun;
pub(crate) use cell::{Cell, Receiver};

#[cfg(all(test, not(model)))]
mod tests;
