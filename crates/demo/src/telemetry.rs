//! Logs, spans and metrics of the process.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use middleware_chain::{AccessLog, Sink};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::LogFormat;

/// From a millisecond to the longest that a request may take.
const BUCKETS_SECS: [f64; 12] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];

/// How often samples are moved into their buckets, so that they do not pile up unscraped.
const UPKEEP: Duration = Duration::from_secs(5);

/// Where the lines of all logs go.
static LOGS: OnceLock<NonBlocking> = OnceLock::new();

/// Sends logs to standard error, as much of them as `RUST_LOG` says, until the returned guard is
/// dropped.
///
/// They are written by a thread of their own. If nobody reads the other end of the pipe, lines are
/// lost, where a direct write would in the end stop every request.
#[must_use = "dropped, it writes what is left and ends the logs"]
pub fn init_logs(format: LogFormat) -> WorkerGuard {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let (writer, guard) = tracing_appender::non_blocking(io::stderr());
    let writer = LOGS.get_or_init(|| writer).clone();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(writer);
    match format {
        LogFormat::Pretty => logs.init(),
        LogFormat::Json => logs.json().init(),
    }
    guard
}

/// A line for each request, among the other logs, where `RUST_LOG` lets `access=info` through.
#[must_use]
pub fn access_log(format: LogFormat) -> AccessLog {
    match format {
        LogFormat::Pretty => AccessLog::logfmt(AmongLogs),
        LogFormat::Json => AccessLog::json(AmongLogs),
    }
}

struct AmongLogs;

impl Sink for AmongLogs {
    fn write(&self, line: &[u8]) {
        if let Some(logs) = LOGS.get()
            && tracing::enabled!(target: "access", tracing::Level::INFO)
        {
            // When the queue is full, the line is lost and the request is not.
            let _lost = logs.clone().write_all(line);
        }
    }
}

/// The metrics of this process, which are installed at the first call.
///
/// # Panics
///
/// If another recorder of the crate `metrics` is installed already.
#[must_use]
pub fn metrics() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            let durations = [
                Matcher::Suffix("duration_seconds".to_owned()),
                Matcher::Full("http.server.request.duration".to_owned()),
                Matcher::Full("cache.load.duration".to_owned()),
                Matcher::Prefix("pool_job_".to_owned()),
            ];
            let builder = durations
                .into_iter()
                .try_fold(PrometheusBuilder::new(), |builder, durations| {
                    builder.set_buckets_for_metric(durations, &BUCKETS_SECS)
                });
            builder
                .expect("there is at least one bucket")
                .with_recommended_naming(true)
                .install_recorder()
                .expect("nothing else in this program installs a recorder")
        })
        .clone()
}

/// Keeps the memory of the metrics bounded for as long as it is polled.
pub(crate) async fn upkeep<T>(metrics: &PrometheusHandle) -> T {
    let mut every = tokio::time::interval(UPKEEP);
    loop {
        every.tick().await;
        metrics.run_upkeep();
    }
}
