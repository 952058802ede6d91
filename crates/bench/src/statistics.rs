//! Medians, ratios and their intervals.

use serde::Serialize;

/// Resamples of the bootstrap: its percentiles then wander by some hundredth of the interval.
const RESAMPLES: usize = 2_000;

/// Ours by the best peer's, of the medians. Below 1 we are faster.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Ratio {
    /// The ratio.
    pub ratio: f64,
    /// The lower end of its 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Ratio {
    /// From samples of the same rounds, in the order of the rounds.
    ///
    /// The percentile bootstrap (Efron 1979) over rounds: a pair stays together, so what slowed
    /// both down in a round is not taken for a difference between them.
    pub(crate) fn of_paired(ours: &[f64], peers: &[f64]) -> Self {
        let pairs: Vec<_> = ours.iter().copied().zip(peers.iter().copied()).collect();
        let mut random = SplitMix(0x5EED);
        let mut ratios: Vec<f64> = (0..RESAMPLES)
            .map(|_| ratio_of(pairs.iter().map(|_| pairs[random.below(pairs.len())])))
            .collect();
        ratios.sort_by(f64::total_cmp);
        Self {
            ratio: ratio_of(pairs.iter().copied()),
            low: ratios[RESAMPLES / 40],
            high: ratios[RESAMPLES - 1 - RESAMPLES / 40],
        }
    }

    /// The width of the interval, relative to the ratio.
    pub(crate) fn width(self) -> f64 {
        (self.high - self.low) / self.ratio
    }
}

fn ratio_of(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut ours, mut peers): (Vec<_>, Vec<_>) = pairs.unzip();
    median_in_place(&mut ours) / median_in_place(&mut peers)
}

/// The middle one, or the mean of the two in the middle.
pub(crate) fn median(samples: &[f64]) -> f64 {
    median_in_place(&mut samples.to_vec())
}

fn median_in_place(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    let middle = samples.len() / 2;
    if samples.len().is_multiple_of(2) {
        f64::midpoint(samples[middle - 1], samples[middle])
    } else {
        samples[middle]
    }
}

/// Steele, Lea and Flood's `SplitMix64` (OOPSLA 2014): the same resamples in each run.
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound as u64).expect("less than a usize")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::to_f64;

    #[test]
    fn a_median_is_the_middle() {
        for (samples, middle) in [
            (&[3.0][..], 3.0),
            (&[9.0, 1.0, 2.0], 2.0),
            (&[4.0, 1.0, 2.0, 100.0], 3.0),
        ] {
            assert!((median(samples) - middle).abs() < 1e-9, "{samples:?}");
        }
    }

    /// Ours takes twice as long, and a round slows both down by the same factor.
    fn paired(spread: f64) -> (Vec<f64>, Vec<f64>) {
        let mut random = SplitMix(7);
        let mut noise = move || 1.0 + spread * to_f64(random.below(1_000) as u64) / 1_000.0;
        (0..41)
            .map(|round| {
                let slowdown = if round % 2 == 0 { 5.0 } else { 1.0 };
                (200.0 * slowdown * noise(), 100.0 * slowdown * noise())
            })
            .unzip()
    }

    #[test]
    fn what_slows_a_whole_round_down_is_no_difference() {
        let (ours, peers) = paired(0.0);
        let ratio = Ratio::of_paired(&ours, &peers);
        assert!((ratio.ratio - 2.0).abs() < 1e-9, "{ratio:?}");
        assert!(ratio.width() < 1e-9, "{ratio:?}");
    }

    #[test]
    fn the_interval_holds_the_ratio_and_grows_with_the_noise() {
        let widths = [0.02, 0.2, 1.0].map(|spread| {
            let (ours, peers) = paired(spread);
            let ratio = Ratio::of_paired(&ours, &peers);
            assert!(ratio.low <= 2.0 && 2.0 <= ratio.high, "{spread}: {ratio:?}");
            ratio.width()
        });
        assert!(widths.is_sorted(), "{widths:?}");
    }

    #[test]
    fn the_same_samples_give_the_same_interval() {
        let (ours, peers) = paired(0.5);
        assert_eq!(
            Ratio::of_paired(&ours, &peers),
            Ratio::of_paired(&ours, &peers)
        );
    }
}
