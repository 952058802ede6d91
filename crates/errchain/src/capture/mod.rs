//! Stack traces that can stay on in production.
//!
//! A capture keeps addresses and nothing else. Where the program keeps frame pointers
//! (`-C force-frame-pointers=yes`) it follows those, a few nanoseconds per frame; that they are
//! kept is found out once per process, by comparing the first captures with what the system's
//! unwinder says. Else, on Linux on x86-64, it goes by what the unwind tables say of each return
//! address, which is read once, some ten nanoseconds per frame. Else the unwinder of the `backtrace`
//! crate walks, without its global lock where the platform allows that. Names are looked up when a
//! stack is first printed, remembered within a bounded cache, and the debug information that was
//! read for it is given back at once.
//!
//! When to capture is a [`Policy`]: the environment's by default, so that `RUST_BACKTRACE=1` does
//! what it does everywhere. A code of a kind that is the client's fault is never captured, unless
//! [`Code::with_capture`](crate::Code::with_capture) or [`Policy::Always`] says so.
//!
//! # Performance
//!
//! Where nothing is to be captured, a new error pays one relaxed load. The first time that a
//! stack is printed costs what reading the debug information costs, which for a large program is
//! a tenth of a second; do not print stacks while holding a lock.
//!
//! # Examples
//!
//! ```
//! use errchain::capture::{Policy, scoped};
//! use errchain::err;
//!
//! let _always = scoped(Policy::Always); // for this thread, until it is dropped
//! let error = err!("out of ink");
//! let frames = error.backtrace().expect("always means always").frames();
//! assert!(frames.iter().any(|frame| frame.function().is_some_and(|name| name.contains("main"))));
//! ```

mod backtrace;
mod cache;
mod frame;
mod policy;
mod walk;

pub use backtrace::Backtrace;
pub use frame::{Frame, Frames};
pub use policy::{Policy, Scope, scoped, set_policy};
pub use walk::has_frame_pointers;

pub(crate) use policy::is_wanted;
