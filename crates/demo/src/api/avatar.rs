//! The picture of a user.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use elastic_pool::blocking::Pool;
use errchain::{Code, Error, Kind, Result, Retry, code};
use uuid::Uuid;

use super::Store;
use super::extract::Path;
use crate::avatar::draw;

code!(BUSY: "avatar", "BUSY", Kind::Unavailable, "There are too many pictures to draw", retry = Retry::After(Duration::from_secs(1)));
code!(NOT_DRAWN: "avatar", "NOT_DRAWN", Kind::Internal, "The picture could not be drawn");

/// A picture that waits longer than this to be drawn is given up on.
const QUEUED_MAX: Duration = Duration::from_secs(2);

/// An id never changes, and neither does its picture.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Drawing computes, so it is done by a thread of the pool and not by one that serves.
#[errchain::traced]
pub(super) async fn picture(
    State(store): State<Store>,
    Extension(drawing): Extension<Pool>,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    let id = store.get(id).await?.id;
    let job = drawing.job(move || draw(id)).timeout(QUEUED_MAX);
    let handle = job
        .try_submit()
        .map_err(|refused| not_drawn(&BUSY, &refused))?;
    let drawn = handle.await.map_err(|error| {
        let is_late = error.cancel_reason().is_some();
        not_drawn(if is_late { &BUSY } else { &NOT_DRAWN }, &error)
    })?;
    let png = drawn.map_err(|error| not_drawn(&NOT_DRAWN, &error))?;
    Ok((
        [(CONTENT_TYPE, "image/png"), (CACHE_CONTROL, FOR_EVER)],
        png,
    )
        .into_response())
}

fn not_drawn(code: &'static Code, cause: &dyn std::fmt::Display) -> Error {
    code.err().with("cause", cause.to_string())
}
