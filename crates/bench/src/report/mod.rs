//! What a run has found, and the file in which it is kept.

mod table;

use serde::Serialize;

use crate::calibration::to_f64;
use crate::{Calibration, Noise, Ratio};

/// The version of the file's schema. It grows when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// What a run has found. `target/bench/NAME.json` is this, field by field.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// 1.
    pub schema: u32,
    /// The name of the benchmark.
    pub bench: String,
    /// Whether it was `--quick`: then no figure is one to quote.
    pub quick: bool,
    /// Rounds per row.
    pub rounds: usize,
    /// What a slice took, about.
    pub slice_ms: f64,
    /// How fast the machine was at the start.
    pub calibration: Calibration,
    /// One for each row and size.
    pub rows: Vec<RowReport>,
    /// One for each row with several sizes.
    pub growth: Vec<Growth>,
    /// One for each fact.
    pub facts: Vec<FactReport>,
}

/// A row at one size.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RowReport {
    /// The row's name.
    pub name: String,
    /// The size.
    pub size: u64,
    /// Units per operation, which is the size unless the row has levels. All costs are per unit.
    pub units: u64,
    /// In the order of the row.
    pub contenders: Vec<ContenderReport>,
    /// The peer with the lowest median, if there are any.
    pub best_peer: Option<String>,
    /// Ours by the best peer's.
    pub ratio: Option<Ratio>,
    /// Why not to believe the row: empty for a row that may be quoted.
    pub noise: Vec<Noise>,
}

/// A contender at one size, per unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ContenderReport {
    /// The contender.
    pub name: String,
    /// The median of wall-clock time in ns.
    pub ns: f64,
    /// The same by the calibration's scale: what the reference machine would take.
    pub ns_scaled: f64,
    /// The median of processor time of the whole process in ns.
    pub cpu_ns: f64,
    /// Allocations of the whole process.
    pub allocations: f64,
    /// Bytes allocated, not counting what was freed again.
    pub bytes: f64,
    /// The most memory that the process had resident, not per unit. `None` off Linux.
    pub peak_bytes: Option<u64>,
}

/// How the cost per unit grows with the size.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Growth {
    /// The row's name.
    pub name: String,
    /// In the order of the row.
    pub contenders: Vec<Flatness>,
}

/// How flat one contender's cost per unit is.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Flatness {
    /// The contender.
    pub name: String,
    /// The cost per unit at the last size by that at the first. 1 is flat, below 1 a fixed cost is
    /// shared by more units, above 1 each unit costs more the more there are.
    pub flatness: f64,
    /// Nanoseconds of an operation for each of the size more than at the first: the cost without
    /// its fixed part.
    pub added_ns: f64,
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FactReport {
    /// The fact's name.
    pub name: String,
    /// A figure for each contender.
    pub figures: Vec<(String, f64)>,
}

impl Report {
    pub(crate) fn new(bench: &str, quick: bool, calibration: Calibration) -> Self {
        let plan = crate::measure::Plan::new(quick);
        Self {
            schema: SCHEMA,
            bench: bench.to_owned(),
            quick,
            rounds: plan.rounds,
            slice_ms: plan.slice.as_secs_f64() * 1e3,
            calibration,
            rows: Vec::new(),
            growth: Vec::new(),
            facts: Vec::new(),
        }
    }
}

impl Report {
    /// The table as a page for the book.
    #[must_use]
    pub fn page(&self) -> String {
        let Self { bench, .. } = self;
        format!("<!-- Written by `cargo xtask bench {bench}`. -->\n\n```text\n{self}```\n")
    }
}

impl Growth {
    /// From one row's reports, in the order of its sizes. `None` for fewer than two.
    pub(crate) fn of(sizes: &[RowReport]) -> Option<Self> {
        let [first, .., last] = sizes else {
            return None;
        };
        let [few, many] = [first, last].map(|row| to_f64(row.units));
        let more = to_f64(last.size) - to_f64(first.size);
        let pairs = first.contenders.iter().zip(&last.contenders);
        let contenders = pairs.map(|(first, last)| Flatness {
            name: first.name.clone(),
            flatness: last.ns / first.ns,
            added_ns: (last.ns * many - first.ns * few) / more,
        });
        Some(Self {
            name: first.name.clone(),
            contenders: contenders.collect(),
        })
    }
}
