//! One member of a chain.

use std::any::{TypeId, type_name};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_layer::Layer;
use tower_service::Service;

use crate::boundary::{AnyLayer, Rest, Typed};
use crate::raw::Planned;
use crate::{BoxError, Hook, Middleware, RequestBody, Role, RouteTag};

/// One member of a chain, with its name: what an edit puts in.
#[derive(Clone)]
pub struct Member {
    pub(super) name: Arc<str>,
    pub(super) role: Role,
    pub(super) kind: Kind,
}

#[derive(Clone)]
pub(super) enum Kind {
    Planned(Planned),
    Layer(Arc<dyn AnyLayer>),
}

impl Member {
    /// A hook.
    pub fn hook<H: Hook>(hook: H) -> Self {
        let role = hook.role();
        Self::planned(type_name::<H>(), role, Planned::hook(hook))
    }

    /// A middleware: an `async fn`, an async closure or a type.
    pub fn with<M: Middleware>(middleware: M) -> Self {
        let role = middleware.role();
        Self::planned(type_name::<M>(), role, Planned::middleware(middleware))
    }

    /// What is not about the type, which each member has one of its own of: it is compiled once.
    fn planned(full_name: &str, role: Role, planned: Planned) -> Self {
        Self {
            name: short(full_name),
            role,
            kind: Kind::Planned(planned),
        }
    }

    /// Any tower layer. It gets all that is inside of it as one service, in a box.
    pub fn layer<L, R>(layer: L) -> Self
    where
        L: Layer<Rest> + Send + Sync + 'static,
        L::Service:
            Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request<RequestBody>>>::Future: Send + 'static,
        <L::Service as Service<Request<RequestBody>>>::Error: Into<BoxError>,
        R: HttpBody<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let is_route_tag = TypeId::of::<L>() == TypeId::of::<RouteTag>();
        Self {
            name: name_of::<L>(),
            role: if is_route_tag {
                Role::RouteTag
            } else {
                Role::Other
            },
            kind: Kind::Layer(Arc::new(Typed(layer, PhantomData))),
        }
    }

    pub(super) fn name_of<T>(_member: &T) -> Arc<str> {
        name_of::<T>()
    }

    /// Gives it another name.
    #[must_use]
    pub fn named(mut self, name: impl AsRef<str>) -> Self {
        self.name = Arc::from(name.as_ref());
        self
    }

    /// Its name: that of its function or type in `snake_case`, unless it was given one.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Layer(_) => "layer",
            Kind::Planned(planned) if planned.is_hook() => "hook",
            Kind::Planned(_) => "middleware",
        }
    }

    pub(super) const fn is_middleware(&self) -> bool {
        matches!(&self.kind, Kind::Planned(planned) if !planned.is_hook())
    }

    pub(super) const fn is_layer(&self) -> bool {
        matches!(self.kind, Kind::Layer(_))
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.kind_name())
    }
}

fn name_of<T>() -> Arc<str> {
    short(type_name::<T>())
}

/// `some::path::AccessLog<Stdout>` is `access_log`.
fn short(full: &str) -> Arc<str> {
    let path = full.split('<').next().unwrap_or(full);
    let last = path.rsplit(':').find(|part| !part.is_empty());
    let last = last.unwrap_or(path);
    if last.starts_with('{') {
        return Arc::from("closure");
    }
    let mut name = String::new();
    for letter in last.chars() {
        // By ASCII: the tables of all other letters would be an eighth of a small program.
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name.into()
}
