//! What looks at heads without waiting.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::Response;

use crate::{Exchange, Exit, Role};

/// Go on inwards, or answer here.
pub type Flow = ControlFlow<Response<Bytes>>;

/// A member that never waits: it looks at, or changes, the heads of request and response, and
/// learns how the request ended.
///
/// Neighbouring hooks share a level. What has to wait is a [`Middleware`](crate::Middleware).
///
/// # Examples
///
/// ```
/// use http::HeaderValue;
/// use middleware_chain::{Exchange, Flow, Hook};
///
/// struct NoStore;
///
/// impl Hook for NoStore {
///     type State = ();
///
///     fn after(&self, (): &mut (), cx: &mut Exchange) {
///         if let Some(response) = cx.response_mut() {
///             response.headers.insert("cache-control", HeaderValue::from_static("no-store"));
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no hook",
    label = "a hook is a type with `impl Hook`: it looks at heads, and never waits",
    note = "an `async fn` or a type that may wait is a middleware: add it with `.with(...)`"
)]
pub trait Hook: Send + Sync + 'static {
    /// What it keeps from one call to the next.
    type State: Default + Send + 'static;

    /// On the way in. If it answers, neither what is inside nor its own `after` and `end` are
    /// called, but those of the hooks outside are.
    fn before(&self, state: &mut Self::State, cx: &mut Exchange) -> Flow {
        let _ = (state, cx);
        Flow::Continue(())
    }

    /// On the way out, when there is a response. An error that comes from inside is a response with
    /// its status here.
    ///
    /// It is *not* called when the request is cancelled, or when something inside panics and nobody
    /// catches it.
    fn after(&self, state: &mut Self::State, cx: &mut Exchange) {
        let _ = (state, cx);
    }

    /// When the request is over, whatever became of it: exactly once for each `before` that let it
    /// pass. A panic in here is caught and dropped.
    fn end(&self, state: &mut Self::State, exit: &Exit<'_>) {
        let _ = (state, exit);
    }

    /// What it is to the rules of order.
    fn role(&self) -> Role {
        Role::Other
    }
}
