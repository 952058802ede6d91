//! A chain: members in order, as data.

mod builder;
mod check;
mod describe;
mod member;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tower_layer::Layer;
use tower_service::Service;

pub use builder::ChainBuilder;
pub use check::Warning;
pub use member::Member;

use crate::boundary::{AnyLayer, Rest, Segment};
use crate::raw::Plan;
use crate::{BoxError, ChainService, RequestBody};

/// Members in order, from the outermost to the innermost. A chain is a [`tower_layer::Layer`] for
/// any service that speaks HTTP, and cheap to clone.
///
/// # Examples
///
/// ```
/// use middleware_chain::{Chain, Exchange, Next, RequestId, Result};
///
/// async fn first(cx: &mut Exchange, next: Next<'_>) -> Result {
///     next.run(cx).await
/// }
///
/// # fn main() -> std::result::Result<(), middleware_chain::BuildError> {
/// let chain = Chain::builder().hook(RequestId::new()).with(first).build()?;
/// assert_eq!(chain.names().collect::<Vec<_>>(), ["request_id", "first"]);
///
/// let chain = chain.edit().remove("first").build()?;
/// assert_eq!(chain.names().count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Chain(Arc<Inner>);

struct Inner {
    members: Vec<Member>,
    /// Before the first tower layer.
    first: Arc<Plan>,
    /// Each tower layer, and the members after it.
    layered: Vec<(Arc<dyn AnyLayer>, Arc<Plan>)>,
}

impl Chain {
    /// A builder without members.
    pub fn builder() -> ChainBuilder {
        ChainBuilder::new(Vec::new())
    }

    /// A builder with the members of this chain, which stays as it is. Members are shared, not
    /// copied: a limit that both chains have is one limit.
    pub fn edit(&self) -> ChainBuilder {
        ChainBuilder::new(self.0.members.clone())
    }

    /// The names of the members, the outermost first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.members.iter().map(Member::name)
    }

    /// What a request takes in memory, without the future of the service.
    #[must_use]
    pub fn frame_bytes(&self) -> usize {
        let layered = self.0.layered.iter().enumerate();
        // Between two layers that are next to each other there is none; behind the last one there is.
        let last = self.0.layered.len().saturating_sub(1);
        let layered = layered.filter(|(nth, (_, plan))| *nth == last || !plan.is_empty());
        let layered = layered.map(|(_, (_, plan))| plan.frame_bytes());
        self.0.first.frame_bytes() + layered.sum::<usize>()
    }

    /// What is wrong with the order, and why. Nothing in it is an error: you may know better.
    #[must_use]
    pub fn check(&self) -> Vec<Warning> {
        check::check(&self.0.members)
    }
}

impl<S, R> Layer<S> for Chain
where
    S: Service<Request<RequestBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Service = ChainService<S>;

    fn layer(&self, service: S) -> ChainService<S> {
        let first = Arc::clone(&self.0.first);
        let Some(((last, plan), outer)) = self.0.layered.split_last() else {
            return ChainService::new(first, service);
        };
        let innermost = Segment {
            plan: Arc::clone(plan),
            inside: service,
            is_at_boundary: false,
        };
        let mut rest = last.wrap(Rest::new(innermost));
        for (layer, plan) in outer.iter().rev() {
            // Between two layers that are next to each other there is nothing to run.
            if !plan.is_empty() {
                rest = Rest::new(Segment {
                    plan: Arc::clone(plan),
                    inside: rest,
                    is_at_boundary: true,
                });
            }
            rest = layer.wrap(rest);
        }
        ChainService::layered(first, rest)
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
