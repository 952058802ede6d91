//! The process of one contender.

use std::fs;
use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};

use crate::stopwatch::measured;
use crate::{Operation, raw};

/// One line from the parent: how many operations, and whether their allocations are counted.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) operations: u64,
    pub(crate) counts_allocations: bool,
}

/// One line to the parent.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) nanos: f64,
    pub(crate) cpu_nanos: f64,
    pub(crate) allocations: u64,
    pub(crate) bytes: u64,
    /// Of the process so far, where the system tells.
    pub(crate) peak_bytes: Option<u64>,
}

/// Obeys the parent, until it closes the pipe or is gone.
pub(crate) fn contend(operation: &mut dyn Operation) -> io::Result<()> {
    for line in io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        say(&slice(operation, order))?;
    }
    Ok(())
}

/// Sends the parent one line.
pub(crate) fn say(value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}

fn slice(operation: &mut dyn Operation, order: Order) -> Sample {
    let ((allocations, bytes), times) = measured(|| {
        raw::count(order.counts_allocations, || {
            operation.run(order.operations);
        })
    });
    Sample {
        nanos: times.wall,
        cpu_nanos: times.cpu,
        allocations,
        bytes,
        peak_bytes: peak_bytes(),
    }
}

/// The most memory that this process ever had resident.
fn peak_bytes() -> Option<u64> {
    parse_peak(&fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_peak(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::each;

    #[test]
    fn peak_memory_is_read_as_linux_writes_it() {
        let status = "VmSize:\t  999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t 7 kB\n";
        assert_eq!(parse_peak(status), Some(2_048 * 1_024));
        assert_eq!(parse_peak("VmRSS:\t 7 kB\n"), None);
    }

    #[test]
    fn a_slice_counts_its_allocations_only_when_told() {
        let _alone = raw::alone();
        let mut operation = each(|| vec![0_u8; 1_000]);
        for (counts_allocations, allocations) in [(true, 50), (false, 0)] {
            let order = Order {
                operations: 50,
                counts_allocations,
            };
            let sample = slice(&mut operation, order);
            // Another test of this process may allocate at the same time.
            assert!(sample.allocations >= allocations, "{sample:?}");
            assert!(sample.bytes >= allocations * 1_000, "{sample:?}");
            assert_eq!(sample.allocations == 0, allocations == 0, "{sample:?}");
            assert!(sample.nanos > 0.0, "{sample:?}");
        }
    }
}
