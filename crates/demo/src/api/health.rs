//! Whether the service lives, and whether it can serve.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use errchain::{Context, Result};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Store;
use crate::store::UNAVAILABLE;

/// Shorter than the time that a load balancer waits for its probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Asks nothing of the database: to restart this process would not bring that back.
pub(super) async fn live() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

#[errchain::traced]
pub(super) async fn ready(State(store): State<Store>) -> Result<Json<Value>> {
    let answer = timeout(PROBE_TIMEOUT, store.ping()).await;
    answer.code(&UNAVAILABLE)??;
    Ok(Json(json!({"status": "ok"})))
}
