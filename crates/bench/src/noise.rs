//! Which row is too noisy to believe.

use serde::Serialize;

use crate::Ratio;
use crate::statistics::median;

/// A contender whose two halves differ by more than this has not settled.
const HALVES_MAX: f64 = 0.10;
/// An interval wider than this, relative to its ratio, decides nothing.
const INTERVAL_MAX: f64 = 0.10;
/// A machine whose own speed changed by more than this during a row was busy with something else.
const DRIFT_MAX: f64 = 0.15;

/// Why a row is too noisy to believe.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Noise {
    /// The medians of the first and the second half of a contender's rounds differ by over 10 %.
    HalvesDiffer {
        /// The contender.
        contender: String,
        /// By how much, relative to the smaller one.
        by: f64,
    },
    /// The 95 % interval is wider than 10 % of the ratio.
    IntervalWide {
        /// The width, relative to the ratio.
        width: f64,
    },
    /// The machine did: malloc and free, taken in each round too, by over 15 %.
    MachineDrifted {
        /// By how much, relative to the smaller one.
        by: f64,
    },
}

impl Noise {
    pub(crate) fn of_contender(contender: &str, samples: &[f64]) -> Option<Self> {
        let by = difference_of_halves(samples);
        (by > HALVES_MAX).then(|| Self::HalvesDiffer {
            contender: contender.to_owned(),
            by,
        })
    }

    pub(crate) fn of_ratio(ratio: Ratio) -> Option<Self> {
        let width = ratio.width();
        (width > INTERVAL_MAX).then_some(Self::IntervalWide { width })
    }

    pub(crate) fn of_machine(samples: &[f64]) -> Option<Self> {
        let by = difference_of_halves(samples);
        (by > DRIFT_MAX).then_some(Self::MachineDrifted { by })
    }
}

impl std::fmt::Display for Noise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::HalvesDiffer { contender, by } => {
                write!(f, "the halves of {contender} differ by {:.0} %", by * 100.0)
            }
            Self::IntervalWide { width } => {
                write!(f, "the interval is {:.0} % wide", width * 100.0)
            }
            Self::MachineDrifted { by } => {
                write!(f, "the machine's own speed changed by {:.0} %", by * 100.0)
            }
        }
    }
}

/// Of their medians, relative to the smaller one.
fn difference_of_halves(samples: &[f64]) -> f64 {
    let (first, second) = samples.split_at(samples.len() / 2);
    let (first, second) = (median(first), median(second));
    (first - second).abs() / first.min(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_noisy_exactly_when_a_bound_is_passed() {
        let steady = [100.0, 104.0, 96.0, 101.0, 99.0, 103.0];
        let warming_up = [130.0, 125.0, 128.0, 101.0, 99.0, 103.0];
        let one_outlier = [100.0, 900.0, 96.0, 101.0, 99.0, 103.0];
        for (samples, is_noisy) in [(steady, false), (warming_up, true), (one_outlier, false)] {
            let noise = Noise::of_contender("ours", &samples);
            assert_eq!(noise.is_some(), is_noisy, "{samples:?}: {noise:?}");
        }
        for (low, high, is_noisy) in [(0.96, 1.04, false), (0.94, 1.06, true)] {
            let ratio = Ratio {
                ratio: 1.0,
                low,
                high,
            };
            assert_eq!(Noise::of_ratio(ratio).is_some(), is_noisy, "{ratio:?}");
        }
        for (before, after, is_noisy) in
            [(20.0, 22.0, false), (20.0, 24.0, true), (24.0, 20.0, true)]
        {
            let noise = Noise::of_machine(&[before, before, after, after]);
            assert_eq!(noise.is_some(), is_noisy, "{before}, {after}");
        }
    }
}
