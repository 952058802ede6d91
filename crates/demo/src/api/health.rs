//! Whether the service lives, and whether it can serve.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Store;
use crate::Problem;

/// Shorter than the time that a load balancer waits for its probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Asks nothing of the database: to restart this process would not bring that back.
pub(super) async fn live() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

pub(super) async fn ready(State(store): State<Store>) -> Result<Json<Value>, Problem> {
    match timeout(PROBE_TIMEOUT, store.ping()).await {
        Ok(Ok(())) => Ok(Json(json!({"status": "ok"}))),
        Ok(Err(error)) => Err(error.into()),
        Err(_elapsed) => Err(Problem::of(StatusCode::SERVICE_UNAVAILABLE)
            .detail("The database does not answer at the moment.")
            .retry_after_secs(1)),
    }
}
