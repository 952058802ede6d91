//! The route, for those outside of the router.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Exchange, Flow, Hook, Role, RouteSlot};

/// Carries the template of the route, such as `/users/{id}`, out of the router, so that the members
/// of a chain around it can log and count by it.
///
/// It is needed twice: in the chain, as a hook, and around each route, as a layer that knows how
/// the router says it.
///
/// ```
/// use axum::{Router, extract::MatchedPath, routing::get};
/// use middleware_chain::{Chain, RouteTag};
///
/// # fn main() -> Result<(), middleware_chain::BuildError> {
/// let tag = RouteTag::new(|extensions| Some(extensions.get::<MatchedPath>()?.as_str()));
/// let router: Router = Router::new()
///     .route("/users/{id}", get(async || "Ada"))
///     .route_layer(tag);
/// let chain = Chain::builder().hook(tag).build()?;
/// let app = router.layer(chain);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RouteTag {
    template: fn(&http::Extensions) -> Option<&str>,
}

impl RouteTag {
    /// The closure finds the template that the router has left in the request's extensions.
    #[must_use]
    pub const fn new(template: fn(&http::Extensions) -> Option<&str>) -> Self {
        Self { template }
    }
}

impl Hook for RouteTag {
    type State = ();

    fn before(&self, (): &mut (), cx: &mut Exchange) -> Flow {
        let slot = RouteSlot::default();
        cx.request_mut().extensions.insert(slot.clone());
        cx.set_route_slot(slot);
        Flow::Continue(())
    }

    fn role(&self) -> Role {
        Role::RouteTag
    }
}

impl<S> Layer<S> for RouteTag {
    type Service = RouteTagService<S>;

    fn layer(&self, service: S) -> RouteTagService<S> {
        RouteTagService {
            service,
            template: self.template,
        }
    }
}

/// A route that says which one it is: see [`RouteTag`].
#[derive(Debug, Clone)]
pub struct RouteTagService<S> {
    service: S,
    template: fn(&http::Extensions) -> Option<&str>,
}

impl<S: Service<Request<B>>, B> Service<Request<B>> for RouteTagService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        let extensions = request.extensions();
        if let (Some(slot), Some(template)) =
            (extensions.get::<RouteSlot>(), (self.template)(extensions))
        {
            slot.set(template);
        }
        self.service.call(request)
    }
}
