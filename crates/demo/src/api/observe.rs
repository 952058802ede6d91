//! Metrics of what the service is made of. Those of its requests are the chain's.

use metrics::{counter, gauge};

/// What a pool says of itself at this moment.
pub(super) fn pool(name: &'static str, pool: &elastic_pool::Metrics) {
    for (state, workers) in [("busy", pool.busy), ("idle", pool.idle())] {
        gauge!("pool_workers", "pool" => name, "state" => state).set(as_f64(workers));
    }
    gauge!("pool_jobs_queued", "pool" => name).set(as_f64(pool.queued));
    for (outcome, jobs) in [
        ("completed", pool.completed),
        ("panicked", pool.panicked),
        ("cancelled", pool.cancelled),
        ("returned", pool.returned),
    ] {
        counter!("pool_jobs_total", "pool" => name, "outcome" => outcome).absolute(jobs);
    }
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).unwrap_or(u32::MAX).into()
}
