//! The one chain that every request of the service passes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::StatusCode;
use middleware_chain::{
    AccessLog, BodyLimit, BuildError, Chain, Exchange, Hook, Match, Member, Metrics, RequestId,
    RouteTag, Timeout, Trace, When,
};

use crate::LastError;
use crate::server::guards;

/// A user takes less than 2 KiB, however it is escaped.
const BODY_BYTES_MAX: u64 = 64 * 1_024;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// 100 000 users take some 10 MiB.
const IMPORT_BYTES_MAX: u64 = 64 * 1_024 * 1_024;
const IMPORT_TIMEOUT: Duration = Duration::from_mins(10);

/// Puts what observes a request outside of the server's guards, and the limits of the routes inside.
///
/// # Errors
///
/// None, if the guards are those of a [`Server`](crate::server::Server).
pub fn chain(guards: &Chain, log: AccessLog, last_error: &LastError) -> Result<Chain, BuildError> {
    let import = || Match::path("/users/import");
    guards
        .edit()
        .insert_before(guards::OUTERMOST, Member::hook(RequestId::new()))
        .insert_before(guards::OUTERMOST, Member::hook(route_tag()))
        .insert_before(guards::OUTERMOST, Member::with(Trace::new()))
        .insert_before(guards::OUTERMOST, Member::hook(Metrics::new()))
        .insert_before(guards::OUTERMOST, Member::hook(log))
        .insert_before(guards::OUTERMOST, Member::hook(last_error.clone()))
        .named("timeout", When::skip(import(), total(REQUEST_TIMEOUT)))
        .named("import_timeout", When::new(import(), total(IMPORT_TIMEOUT)))
        .named(
            "body_limit",
            When::skip(import(), BodyLimit::bytes(BODY_BYTES_MAX)),
        )
        .named(
            "import_limit",
            When::new(import(), BodyLimit::bytes(IMPORT_BYTES_MAX)),
        )
        .build()
}

/// Where axum says which route it has chosen: for the chain, and for the router.
pub(super) fn route_tag() -> RouteTag {
    RouteTag::new(|extensions| Some(extensions.get::<MatchedPath>()?.as_str()))
}

/// The database has a shorter limit of its own, so what is late here is the request's body.
fn total(limit: Duration) -> Timeout {
    Timeout::head(limit).status(StatusCode::REQUEST_TIMEOUT)
}

/// Keeps the error that a handler has answered with, for the operator.
impl Hook for LastError {
    type State = ();

    fn after(&self, (): &mut (), cx: &mut Exchange) {
        let extensions = cx.response().map(|response| &response.extensions);
        if let Some(error) = extensions.and_then(|it| it.get::<Arc<errchain::Error>>()) {
            self.is(error);
        }
    }
}
