// The README is the crate documentation: one text, and its examples are doctests.
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod assertions;
#[cfg(feature = "axum")]
mod axum;
#[cfg(feature = "backtrace")]
pub mod capture;
mod classify;
mod code;
mod context;
mod convert;
#[cfg(feature = "tracing")]
mod emit;
mod error;
#[cfg(feature = "std")]
mod exit;
mod fixed;
mod foreign;
mod inspect;
mod kind;
mod macros;
#[cfg(feature = "http")]
mod problem;
#[allow(unsafe_code, reason = "the one place for it: see its documentation")]
mod raw;
mod record;
mod report;
mod retry;
mod sensitive;
mod std_error;
mod value;

pub use code::{Code, CodeRef};
pub use context::{Context, IntoContext};
#[cfg(feature = "macros")]
pub use errchain_macros::traced;
pub use error::{Error, Result};
#[cfg(feature = "std")]
pub use exit::Exit;
pub use inspect::{Chain, Fields};
pub use kind::Kind;
#[cfg(feature = "http")]
pub use problem::Problem;
pub use record::Field;
pub use report::{Audience, Report};
pub use retry::Retry;
pub use sensitive::Sensitive;
pub use std_error::StdError;
pub use value::Value;
