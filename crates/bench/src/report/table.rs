//! A report for people.

use std::fmt::{self, Display, Formatter};

use super::{FactReport, Growth, Report, RowReport};

const HEAD: &str =
    "  contender                     ns      scaled    cpu ns    allocs     bytes  peak MiB";

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            rounds,
            slice_ms,
            calibration,
            ..
        } = self;
        let quick = if self.quick {
            ", quick: do not quote"
        } else {
            ""
        };
        writeln!(f, "{}: {rounds} rounds of {slice_ms} ms{quick}", self.bench)?;
        writeln!(
            f,
            "this machine: malloc + free {:.1} ns (reference 20), loopback round trip {:.1} us, \
             spin {:.1} ns; scaled = ns / {:.2}",
            calibration.malloc_free_ns,
            calibration.tcp_round_trip_ns / 1e3,
            calibration.spin_ns,
            calibration.scale,
        )?;
        self.rows.iter().try_for_each(|row| row.fmt(f))?;
        self.growth.iter().try_for_each(|growth| growth.fmt(f))?;
        self.facts.iter().try_for_each(|fact| fact.fmt(f))
    }
}

impl Display for RowReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let size = match (self.size, self.units) {
            (1, 1) => String::new(),
            (size, 1) => format!(", at {size}"),
            (size, _) => format!(", per unit of {size}"),
        };
        writeln!(f, "\n{}{size}\n{HEAD}", self.name)?;
        for contender in &self.contenders {
            let peak = contender.peak_bytes.map_or("-".to_owned(), |bytes| {
                format!("{:.1}", crate::calibration::to_f64(bytes) / 1_048_576.0)
            });
            writeln!(
                f,
                "  {:<22} {:>9} {:>11} {:>9} {:>9.2} {:>9.1} {peak:>9}",
                contender.name,
                short(contender.ns),
                short(contender.ns_scaled),
                short(contender.cpu_ns),
                contender.allocations,
                contender.bytes,
            )?;
        }
        if let (Some(best_peer), Some(ratio)) = (&self.best_peer, self.ratio) {
            writeln!(
                f,
                "  ratio to {best_peer}: {:.3} [{:.3}, {:.3}]",
                ratio.ratio, ratio.low, ratio.high
            )?;
        }
        for noise in &self.noise {
            writeln!(f, "  TOO NOISY TO BELIEVE: {noise}")?;
        }
        Ok(())
    }
}

impl Display for Growth {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n{}: cost per unit at the last size by that at the first, ns added per size",
            self.name
        )?;
        self.contenders.iter().try_for_each(|it| {
            let added = short(it.added_ns);
            writeln!(f, "  {:<22} {:>9.2} {added:>11}", it.name, it.flatness)
        })
    }
}

impl Display for FactReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}", self.name)?;
        let mut figures = self.figures.iter();
        figures.try_for_each(|(name, figure)| writeln!(f, "  {name:<34} {figure:>9}"))
    }
}

/// Three digits or more.
fn short(ns: f64) -> String {
    if ns < 100.0 {
        format!("{ns:.2}")
    } else {
        format!("{ns:.0}")
    }
}
