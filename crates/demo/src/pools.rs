//! Where work is done that is not a request's own, and its end when the service stops.

use std::time::Duration;

use elastic_pool::{BuildError, MetricsObserver, Shutdown, ShutdownReport, blocking, task};

/// Batches of users that are stored at once, of all imports: a database has other things to do too.
const BATCHES: usize = 8;

/// Batches that wait. Each is some megabytes at most.
const BATCHES_QUEUED: usize = 64;

/// Nobody waits for a picture any more once the last connection has closed.
const DRAWN_WITHIN: Shutdown = Shutdown::Cancel(Duration::from_secs(1));

/// Longer than a store takes to say that its database does not answer: a batch that was begun is
/// stored, though its connection was cut off.
const STORED_WITHIN: Shutdown = Shutdown::Drain(Duration::from_secs(5));

/// The pools of the service.
#[derive(Debug, Clone)]
pub struct Pools {
    /// Threads that draw pictures.
    pub drawing: blocking::Pool,
    /// Tasks that check and store what is imported.
    pub importing: task::Pool,
}

impl Pools {
    /// Starts them. They count for the recorder of metrics, which has to be there.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] if the system refuses a thread.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start() -> Result<Self, BuildError> {
        let drawing = blocking::Pool::builder().observer(MetricsObserver::new("drawing"));
        let importing = task::Pool::builder()
            .limit(BATCHES)
            .queue(BATCHES_QUEUED)
            .observer(MetricsObserver::new("importing"));
        Ok(Self {
            drawing: drawing.build()?,
            importing: importing.build()?,
        })
    }

    /// Ends both, and says in the log what became of their jobs.
    pub async fn shut_down(&self) {
        let (drawing, importing) = tokio::join!(
            self.drawing.shutdown(DRAWN_WITHIN),
            self.importing.shutdown(STORED_WITHIN)
        );
        tell("drawing", &drawing);
        tell("importing", &importing);
    }
}

fn tell(pool: &'static str, report: &ShutdownReport) {
    let ShutdownReport {
        completed,
        panicked,
        cancelled,
        still_running,
        ..
    } = *report;
    let unstarted = report.unstarted.len();
    if report.is_clean() {
        tracing::info!(pool, completed, panicked, cancelled, "the pool has drained");
    } else {
        tracing::warn!(
            pool,
            completed,
            panicked,
            cancelled,
            still_running,
            unstarted,
            "jobs of the pool were given up on"
        );
    }
}
