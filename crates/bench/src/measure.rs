//! The rounds of one row.

use std::io;
use std::time::Duration;

use crate::Ratio;
use crate::calibration::{malloc_free_ns, to_f64};
use crate::child::Sample;
use crate::noise::Noise;
use crate::report::{ContenderReport, RowReport};
use crate::row::Row;
use crate::statistics::median;
use crate::worker::Worker;

/// How long and how often.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) slice: Duration,
}

impl Plan {
    /// Odd rounds, so that a median is a sample that was taken.
    pub(crate) const fn new(quick: bool) -> Self {
        if quick {
            Self {
                rounds: 11,
                slice: Duration::from_millis(4),
            }
        } else {
            Self {
                rounds: 61,
                slice: Duration::from_millis(20),
            }
        }
    }
}

/// One contender while it is measured.
struct Measured {
    worker: Worker,
    operations: u64,
    samples: Vec<Sample>,
    counted: Sample,
}

/// Measures a row at one size. `index` is its place among the rows, by which a child finds it.
pub(crate) fn measure(
    row: &Row,
    index: usize,
    size: u64,
    plan: Plan,
    scale: f64,
) -> io::Result<RowReport> {
    let mut contenders = start(row, index, size, plan)?;
    let machine = run_rounds(&mut contenders, plan.rounds)?;

    let units = row.units(size);
    let costs: Vec<_> = contenders.iter().map(|it| it.costs(units)).collect();
    let names = row.contenders.iter().map(|contender| &*contender.name);
    let (best_peer, ratio) = compare(row, &costs).unzip();
    let of_contenders = names
        .clone()
        .zip(&costs)
        .filter_map(|(name, costs)| Noise::of_contender(name, costs));
    let noise = of_contenders
        .chain(ratio.and_then(Noise::of_ratio))
        .chain(Noise::of_machine(&machine))
        .collect();
    let contenders = names
        .zip(contenders.iter().zip(&costs))
        .map(|(name, (contender, costs))| contender.report(name, units, median(costs), scale))
        .collect();
    Ok(RowReport {
        name: row.name.clone(),
        size,
        units,
        contenders,
        best_peer,
        ratio,
        noise,
    })
}

/// Returns what the machine itself took in each round, as a contender without a process.
fn run_rounds(contenders: &mut [Measured], rounds: usize) -> io::Result<Vec<f64>> {
    let mut machine = Vec::new();
    for round in 0..rounds {
        machine.push(malloc_free_ns());
        for turn in 0..contenders.len() {
            // Whoever runs after an idle spell is not always the same.
            let next = (round + turn) % contenders.len();
            let contender = &mut contenders[next];
            let sample = contender.worker.run(contender.operations, false)?;
            contender.samples.push(sample);
        }
    }
    for contender in contenders {
        contender.counted = contender.worker.run(contender.operations, true)?;
    }
    Ok(machine)
}

fn start(row: &Row, index: usize, size: u64, plan: Plan) -> io::Result<Vec<Measured>> {
    let slice_nanos = plan.slice.as_secs_f64() * 1e9;
    let start = |(number, name): (usize, &str)| {
        let numbers = [index.to_string(), number.to_string(), size.to_string()];
        let args = [&["--contend".to_owned()], &numbers[..]].concat();
        let mut worker = Worker::start(format!("{name} in {:?}", row.name), &args)?;
        Ok(Measured {
            operations: worker.find_count(slice_nanos)?,
            worker,
            samples: Vec::new(),
            counted: Sample::default(),
        })
    };
    let names = row.contenders.iter().map(|contender| &*contender.name);
    names.enumerate().map(start).collect()
}

/// The best peer and our ratio to it, where there are both.
fn compare(row: &Row, costs: &[Vec<f64>]) -> Option<(String, Ratio)> {
    let ours = row
        .contenders
        .iter()
        .position(|contender| contender.is_ours)?;
    let peers = row.contenders.iter().zip(costs);
    let (best, its_costs) = peers
        .filter(|(contender, _)| !contender.is_ours)
        .min_by(|(_, one), (_, other)| median(one).total_cmp(&median(other)))?;
    Some((best.name.clone(), Ratio::of_paired(&costs[ours], its_costs)))
}

impl Measured {
    /// Nanoseconds per unit, in the order of the rounds.
    fn costs(&self, per_operation: u64) -> Vec<f64> {
        let units = self.units(per_operation);
        self.samples
            .iter()
            .map(|sample| sample.nanos / units)
            .collect()
    }

    fn units(&self, per_operation: u64) -> f64 {
        to_f64(self.operations) * to_f64(per_operation)
    }

    fn report(&self, name: &str, per_operation: u64, ns: f64, scale: f64) -> ContenderReport {
        let units = self.units(per_operation);
        let cpu: Vec<f64> = self
            .samples
            .iter()
            .map(|sample| sample.cpu_nanos / units)
            .collect();
        ContenderReport {
            name: name.to_owned(),
            ns,
            ns_scaled: ns / scale,
            cpu_ns: median(&cpu),
            allocations: to_f64(self.counted.allocations) / units,
            bytes: to_f64(self.counted.bytes) / units,
            // Before the counted slice, which may take memory of its own.
            peak_bytes: self.samples.last().and_then(|sample| sample.peak_bytes),
        }
    }
}
