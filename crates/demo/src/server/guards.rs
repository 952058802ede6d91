//! What every request passes on its way to a router, whichever that is.

use middleware_chain::{BuildError, CatchPanic, Chain, HostCheck, Member, ProblemJson, Timeout};

use super::Limits;

/// The name of the outermost member: what observes a request goes before it.
pub(crate) const OUTERMOST: &str = "problem_json";

/// The members that hold any client off: a problem document for what fails, a panic that costs one
/// answer, one host, and a body that does not stop arriving.
pub(super) fn chain(limits: &Limits) -> Result<Chain, BuildError> {
    let idle = Timeout::default().request_idle(limits.body_idle_timeout);
    Chain::builder()
        .with(ProblemJson::new())
        .with(CatchPanic::new())
        .hook(HostCheck::any())
        .member(Member::with(idle).named("body_idle"))
        .build()
}
