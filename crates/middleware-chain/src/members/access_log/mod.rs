//! A line for each request.

mod line;
mod wall;

use std::cell::RefCell;
use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use line::{Line, key};
use tokio::time::Instant;

use crate::{Exchange, Exit, Flow, Hook, Role};

/// Where lines go.
pub trait Sink: Send + Sync + 'static {
    /// Takes one line, with its end. It is called from the threads that serve requests: it should
    /// not wait.
    fn write(&self, line: &[u8]);
}

/// Anything that bytes can be written to, behind a lock. A line that cannot be written is lost.
impl<W: Write + Send + 'static> Sink for Mutex<W> {
    fn write(&self, line: &[u8]) {
        // A writer that has panicked may write the next line.
        let mut writer = self.lock().unwrap_or_else(PoisonError::into_inner);
        let _lost = writer.write_all(line);
    }
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// `key=value key="value with a blank"`.
    Logfmt,
    /// One object in a line.
    Json,
}

/// Writes exactly one line for each request, after its last byte or when there will be no more of
/// them.
///
/// By default nothing in it is about a person: it has the route in place of the path, and no query,
/// address or header. What comes from outside is escaped and cut at 256 bytes.
///
/// ```
/// use std::sync::Mutex;
/// use middleware_chain::{AccessLog, Chain};
///
/// # fn main() -> Result<(), middleware_chain::BuildError> {
/// let log = AccessLog::logfmt(Mutex::new(std::io::stdout())).with_client();
/// let chain = Chain::builder().hook(log).build()?;
/// # Ok(())
/// # }
/// ```
///
/// ```text
/// ts=1764108420.713 method=GET route="/users/{id}" status=200 outcome=complete bytes_in=0 bytes_out=42 first_byte_us=181 total_us=204
/// ```
pub struct AccessLog {
    sink: Box<dyn Sink>,
    format: LogFormat,
    has_path: bool,
    has_client: bool,
}

impl AccessLog {
    /// Lines of keys and values.
    #[must_use]
    pub fn logfmt(sink: impl Sink) -> Self {
        Self::new(LogFormat::Logfmt, sink)
    }

    /// Lines of JSON.
    #[must_use]
    pub fn json(sink: impl Sink) -> Self {
        Self::new(LogFormat::Json, sink)
    }

    fn new(format: LogFormat, sink: impl Sink) -> Self {
        Self {
            sink: Box::new(sink),
            format,
            has_path: false,
            has_client: false,
        }
    }

    /// Adds the path, without the query. It may name persons.
    #[must_use]
    pub const fn with_path(mut self) -> Self {
        self.has_path = true;
        self
    }

    /// Adds the client's address, which [`ClientAddr`](crate::ClientAddr) finds.
    #[must_use]
    pub const fn with_client(mut self) -> Self {
        self.has_client = true;
        self
    }

    fn fill(&self, line: &mut Line<'_>, exit: &Exit<'_>) {
        let exchange = exit.exchange();
        let request = exchange.request();
        line.text(&key!("method"), request.method.as_str());
        if let Some(route) = exchange.route() {
            line.text(&key!("route"), route);
        }
        if self.has_path {
            line.text(&key!("path"), request.uri.path());
        }
        if let Some(status) = exit.status() {
            line.number(&key!("status"), status.as_u16().into());
        }
        line.word(&key!("outcome"), exit.outcome().as_str());
        line.number(&key!("bytes_in"), exit.bytes_in());
        line.number(&key!("bytes_out"), exit.bytes_out());
        if let Some(time) = exit.first_byte() {
            line.number(&key!("first_byte_us"), micros(time));
        }
        if let Some(time) = exit.total() {
            line.number(&key!("total_us"), micros(time));
        }
        if let Some(client) = exchange.client().filter(|_| self.has_client) {
            line.address(client);
        }
        if let Some(id) = exchange.request_id() {
            line.text(&key!("request_id"), id);
        }
        #[cfg(feature = "tracing")]
        if let Some((trace, span)) = exchange.trace() {
            line.id(&key!("trace_id"), &trace);
            line.id(&key!("span_id"), &span);
        }
    }
}

impl Hook for AccessLog {
    type State = ();

    fn before(&self, (): &mut (), cx: &mut Exchange) -> Flow {
        cx.started();
        Flow::Continue(())
    }

    fn end(&self, (): &mut (), exit: &Exit<'_>) {
        thread_local! {
            static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let write = |buffer: &mut Vec<u8>| {
            buffer.clear();
            let now = exit.now().unwrap_or_else(Instant::now);
            let mut line = Line::begin(buffer, self.format, wall::time(now));
            self.fill(&mut line, exit);
            line.end();
            self.sink.write(buffer);
        };
        // A sink may serve a request itself, and a thread may be about to end.
        let written =
            BUFFER.try_with(|buffer| buffer.try_borrow_mut().map(|mut it| write(&mut it)));
        if !matches!(written, Ok(Ok(()))) {
            write(&mut Vec::new());
        }
    }

    fn role(&self) -> Role {
        Role::AccessLog
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

fn micros(time: Duration) -> u64 {
    time.as_micros().try_into().unwrap_or(u64::MAX)
}
