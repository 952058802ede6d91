//! Ours against every peer, interleaved in one run.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use bench::{Bench, Row, each};
//!
//! fn main() -> ExitCode {
//!     Bench::new("join")
//!         .row(
//!             Row::new("ten words")
//!                 .ours("concat", |_size| each(|| vec!["word"; 10].concat()))
//!                 .peer("join", |_size| each(|| vec!["word"; 10].join(""))),
//!         )
//!         .run()
//! }
//! ```
//!
//! `cargo run --release --bin join -- --quick --only words` prints a table and writes
//! `target/bench/join.json`.
//!
//! # What is measured, and how
//!
//! - **Each contender has a process of its own**, so that none profits or suffers from another's
//!   allocator, runtime or statics. It is set up once and then runs slices of some milliseconds
//!   whenever it is told to.
//! - **The slices are interleaved**: in each round every contender runs one, and the order rotates.
//!   A machine that slows down slows all of them.
//! - **The ratio decides**: ours by the best peer's, of the medians, with a 95 % interval from
//!   bootstrapping the rounds. Below 1 we are faster. An absolute figure counts scaled: divided by
//!   how much slower this machine allocates than the reference (malloc and free in 20 ns).
//! - **Allocations** are counted in a slice of their own. In the others, the counting allocator
//!   costs one load and one branch per call, and the same to all.
//! - **What only prepares an operation** is left out where it is marked as such: see [`unmeasured`].
//! - **Peak memory** is the process's (`VmHWM`, Linux only), with what the binary itself takes.
//! - **Processor time** is the process's, all threads together.
//! - **A row that is too noisy to believe says so**, in the table and in the file: see [`Noise`].
//!
//! A row with several [sizes](Row::sizes) shows the cost per unit at each of them, and how flat it
//! is. A [`Fact`] is not timed: each contender names a figure.

mod args;
mod bench;
mod calibration;
mod child;
mod measure;
mod noise;
mod operation;
mod raw;
mod report;
mod row;
mod statistics;
mod stopwatch;
mod worker;

pub use bench::Bench;
pub use calibration::Calibration;
pub use noise::Noise;
pub use operation::{Operation, batch, each, on_tokio};
pub use report::{ContenderReport, FactReport, Flatness, Growth, Report, RowReport};
pub use row::{Fact, Row};
pub use statistics::Ratio;
pub use stopwatch::unmeasured;
