//! Requests in figures.

use metrics::{Gauge, Label, Unit, describe_gauge, describe_histogram, gauge, histogram};

use super::semconv::{error_type, method_name, scheme_name, version_name};
use crate::{Exchange, Exit, Flow, Hook, Role};

const ACTIVE: &str = "http.server.active_requests";
const DURATION: &str = "http.server.request.duration";
const REQUEST_BYTES: &str = "http.server.request.body.size";
const RESPONSE_BYTES: &str = "http.server.response.body.size";

/// Counts and times requests, by the names of OpenTelemetry's conventions for HTTP servers, through
/// the crate `metrics`.
///
/// | metric | | labels |
/// |---|---|---|
/// | `http.server.active_requests` | gauge | method, scheme |
/// | `http.server.request.duration` | histogram, seconds to the last byte | method, route, status, scheme, version, `error.type` |
/// | `http.server.request.body.size` and `http.server.response.body.size` | histograms, bytes, with [`with_sizes`](Self::with_sizes) | as above |
///
/// A request is active until it is over, whatever became of it: the gauge goes back to 0. A client
/// cannot make up values of a label: unknown methods are `_OTHER`, and there is no path.
///
/// ```
/// use middleware_chain::{Chain, Metrics};
///
/// # fn main() -> Result<(), middleware_chain::BuildError> {
/// let chain = Chain::builder().hook(Metrics::new().with_sizes()).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Metrics {
    has_sizes: bool,
}

impl Metrics {
    /// Active requests and durations. They are described to the recorder that is installed by now,
    /// with their units.
    #[must_use]
    pub fn new() -> Self {
        describe_gauge!(ACTIVE, Unit::Count, "Requests under way.");
        let help = "From the head of a request to the end of its answer.";
        describe_histogram!(DURATION, Unit::Seconds, help);
        Self { has_sizes: false }
    }

    /// The sizes of bodies too.
    #[must_use]
    pub fn with_sizes(mut self) -> Self {
        let help = "What was read of the bodies of requests.";
        describe_histogram!(REQUEST_BYTES, Unit::Bytes, help);
        let help = "What was taken of the bodies of answers.";
        describe_histogram!(RESPONSE_BYTES, Unit::Bytes, help);
        self.has_sizes = true;
        self
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// What an active request is counted in, until it is dropped.
#[derive(Debug, Default)]
#[allow(unnameable_types, reason = "it is the state of a hook, and opaque")]
pub struct Active(Option<Gauge>);

impl Drop for Active {
    fn drop(&mut self) {
        if let Some(gauge) = self.0.take() {
            gauge.decrement(1);
        }
    }
}

impl Hook for Metrics {
    type State = Active;

    fn before(&self, active: &mut Active, cx: &mut Exchange) -> Flow {
        cx.started();
        let gauge = gauge!(ACTIVE, vec![method(cx), scheme(cx)]);
        gauge.increment(1);
        active.0 = Some(gauge);
        Flow::Continue(())
    }

    fn end(&self, _active: &mut Active, exit: &Exit<'_>) {
        let cx = exit.exchange();
        let mut labels = vec![method(cx), scheme(cx)];
        if let Some(version) = version_name(cx.request().version) {
            let version = Label::from_static_parts("network.protocol.version", version);
            labels.push(version);
        }
        if let Some(route) = cx.route() {
            labels.push(Label::new("http.route", route.to_owned()));
        }
        if let Some(status) = exit.status() {
            let status = status.as_str().to_owned();
            labels.push(Label::new("http.response.status_code", status));
        }
        if let Some(kind) = error_type(exit) {
            labels.push(Label::new("error.type", kind));
        }
        if self.has_sizes {
            histogram!(REQUEST_BYTES, labels.clone()).record(as_f64(exit.bytes_in()));
            histogram!(RESPONSE_BYTES, labels.clone()).record(as_f64(exit.bytes_out()));
        }
        histogram!(DURATION, labels).record(exit.total().unwrap_or_default());
    }

    fn role(&self) -> Role {
        Role::Metrics
    }
}

fn method(cx: &Exchange) -> Label {
    Label::from_static_parts("http.request.method", method_name(&cx.request().method))
}

fn scheme(cx: &Exchange) -> Label {
    Label::from_static_parts("url.scheme", scheme_name(cx.request()))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a size of 2^53 bytes may be off by one"
)]
const fn as_f64(bytes: u64) -> f64 {
    bytes as f64
}
