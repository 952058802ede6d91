// The README is the crate documentation: one text, and its examples are doctests.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod cache;
mod ctx;
mod done;
mod sync;

pub use cache::{CacheError, Cached, CachedBuilder, Hit, Load, Report, Source};
pub use ctx::{AfterDone, CancelGuard, Ctx, Finished, Run, Scoped};
pub use done::Done;
