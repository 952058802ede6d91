//! What whoever operates the service may see, and nobody else.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use errchain::{Audience, Error};
use middleware_chain::Chain;
use tracing::Level;

use crate::problem::Problem;

/// The last error that a handler has answered with.
#[derive(Debug, Clone, Default)]
pub struct LastError(Arc<Mutex<Option<Arc<Error>>>>);

impl LastError {
    /// Logs an error, as loud as it matters, and keeps it until the next one.
    pub(crate) fn is(&self, error: &Arc<Error>) {
        let level = if error.problem().status().is_server_error() {
            Level::ERROR
        } else {
            Level::DEBUG
        };
        error.emit(level);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(error));
    }

    fn get(&self) -> Option<Arc<Error>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}

/// The routes for the operator: to be served on the loopback interface only, since a report names
/// files, fields and functions.
pub(crate) fn router(last: LastError, chain: &Chain) -> Router {
    let onion = chain.to_string();
    Router::new()
        .route("/last-error", get(last_error))
        .route("/debug/chain", get(async move || format!("{onion}\n")))
        .with_state(last)
}

async fn last_error(State(last): State<LastError>) -> Response {
    let Some(error) = last.get() else {
        let problem = Problem::of(StatusCode::NOT_FOUND);
        return problem
            .detail("No request has failed so far.")
            .into_response();
    };
    let report = error.report().audience(Audience::Operator).json();
    let headers = [(CONTENT_TYPE, "application/json")];
    (headers, report.to_string()).into_response()
}
