//! axum's extractors, with problem documents for what they refuse.

use axum::extract::{FromRequest, FromRequestParts};

use super::refusal::Refused;

#[derive(Debug, FromRequest)]
#[from_request(via(axum::Json), rejection(Refused))]
pub(super) struct Json<T>(pub(super) T);

#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Refused))]
pub(super) struct Path<T>(pub(super) T);

#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Refused))]
pub(super) struct Query<T>(pub(super) T);
