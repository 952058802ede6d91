//! How many jobs at once does a database take? Gradient2, of Netflix's concurrency-limits, as a
//! controller: while jobs take as long as they always did it adds workers, and when they begin to
//! take longer it takes some away.
//!
//! A controller is a function of what it is told, so the table comes from a modelled database and
//! no clock: it serves eight at once, and whoever is more waits inside it. See how the limit settles
//! above eight at each load, with a few in the queue, and how it comes back from 64. Then the same
//! controller is given to a pool.

use std::time::Duration;

use elastic_pool::{Controller, Window, blocking};

struct Gradient2 {
    /// Fractions count: the limit moves by less than one.
    limit: f64,
    /// The time that a job takes as a rule, in seconds. Zero before the first.
    usual: f64,
}

/// How much longer than usual a job may take before the limit goes down.
const TOLERANCE: f64 = 1.5;
/// How many may wait in what the jobs use.
const QUEUE: f64 = 4.0;
/// How much of what the last window says is believed.
const SMOOTHING: f64 = 0.2;
/// So many windows make what is usual.
const WINDOWS: f64 = 600.0;

impl Gradient2 {
    const fn new(limit: f64) -> Self {
        Self { limit, usual: 0.0 }
    }

    fn update(&mut self, run: f64, busy: f64) {
        if self.usual == 0.0 {
            self.usual = run;
        }
        self.usual += (run - self.usual) * 2.0 / (WINDOWS + 1.0);
        if self.usual > 2.0 * run {
            // An overload has passed, and what it made usual is none.
            self.usual *= 0.95;
        }
        if busy < self.limit / 2.0 {
            // The limit limits nobody: nothing is learned of it.
            return;
        }
        let gradient = (TOLERANCE * self.usual / run).clamp(0.5, 1.0);
        let wanted = self.limit * gradient + QUEUE;
        self.limit += (wanted - self.limit) * SMOOTHING;
    }
}

impl Controller for Gradient2 {
    fn limit(&mut self, _now: Duration, window: &Window) -> usize {
        if let Some(run) = window.mean_run() {
            let busy = f64::from(u32::try_from(window.busy).unwrap_or(u32::MAX));
            self.update(run.as_secs_f64().max(1e-9), busy);
        }
        // It stays a little above zero, and below what it may be: no cast can cut it off.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a limit is small and positive"
        )]
        let limit = self.limit.clamp(1.0, 1e6) as usize;
        limit
    }
}

/// What a job takes in a database that serves eight at once in 10 ms.
fn modelled(busy: f64) -> f64 {
    0.010 * (busy / 8.0).max(1.0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("windows   limit   a job takes");
    let mut controller = Gradient2::new(2.0);
    for window in 0..=60 {
        if window == 40 {
            println!("          (somebody sets it to 64)");
            controller.limit = 64.0;
        }
        if window % 10 == 0 || window == 41 {
            let run = modelled(controller.limit) * 1_000.0;
            println!("{window:7} {:7.1} {run:10.1} ms", controller.limit);
        }
        let busy = controller.limit.floor();
        controller.update(modelled(busy), busy);
    }
    assert!(
        (8.0..32.0).contains(&controller.limit),
        "it settles near what the database takes"
    );

    let pool = blocking::Pool::builder()
        .workers(0..=64)
        .controller(Gradient2::new(8.0))
        .build()?;
    let handles: Vec<_> = (0..200)
        .map(|_| pool.submit_blocking(|| std::thread::sleep(Duration::from_millis(1)), None))
        .collect::<Result<_, _>>()?;
    for handle in handles {
        handle.join()?;
    }
    println!("200 jobs ran on {} workers", pool.metrics().workers);
    Ok(())
}
