//! An error as the response of an axum handler.

use alloc::sync::Arc;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};

use crate::Error;

/// The [problem document](crate::Problem), with the error itself in the response's extensions as
/// an `Arc<Error>`: for the layer that logs it.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.problem().into_response().map(Body::from);
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}
