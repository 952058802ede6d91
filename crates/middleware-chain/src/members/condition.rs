//! Members that only some requests meet.

use std::fmt;
use std::ops::Not;
use std::sync::Arc;

use http::{Method, request};

use crate::{Exchange, Exit, Flow, Hook, Middleware, Next, Result, Role};

/// Which requests a member is for.
///
/// ```
/// use http::Method;
/// use middleware_chain::Match;
///
/// let admin = Match::path("/admin/**").and(!Match::method(Method::OPTIONS));
/// ```
#[derive(Clone)]
pub struct Match(Arc<dyn Fn(&request::Parts) -> bool + Send + Sync>);

impl Match {
    /// Those that the closure says.
    pub fn new(is_match: impl Fn(&request::Parts) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_match))
    }

    /// Those with this path, as the client wrote it. With `/**` at its end, also those below it.
    #[must_use]
    pub fn path(pattern: &str) -> Self {
        let above = pattern.strip_suffix("/**").map(str::to_owned);
        let exact = above.clone().unwrap_or_else(|| pattern.to_owned());
        Self::new(move |request| {
            let rest = request.uri.path().strip_prefix(&*exact);
            rest.is_some_and(|rest| rest.is_empty() || (above.is_some() && rest.starts_with('/')))
        })
    }

    /// Those with this method.
    #[must_use]
    pub fn method(method: Method) -> Self {
        Self::new(move |request| request.method == method)
    }

    /// Those that are also in the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(move |request| self.is_match(request) && other.is_match(request))
    }

    /// Those that are in either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::new(move |request| self.is_match(request) || other.is_match(request))
    }

    fn is_match(&self, request: &request::Parts) -> bool {
        (self.0)(request)
    }
}

impl Not for Match {
    type Output = Self;

    fn not(self) -> Self {
        Self::new(move |request| !self.is_match(request))
    }
}

impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Match").finish_non_exhaustive()
    }
}

/// A hook or middleware that only some requests meet. Others pass as if it were not there.
#[derive(Debug, Clone)]
pub struct When<T> {
    condition: Match,
    member: T,
}

impl<T> When<T> {
    /// Only requests that match meet the member.
    pub const fn new(condition: Match, member: T) -> Self {
        Self { condition, member }
    }

    /// All but the requests that match meet the member.
    #[must_use]
    pub fn skip(condition: Match, member: T) -> Self {
        Self::new(!condition, member)
    }
}

impl<M: Middleware> Middleware for When<M> {
    async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
        if self.condition.is_match(cx.request()) {
            self.member.handle(cx, next).await
        } else {
            next.run(cx).await
        }
    }

    fn role(&self) -> Role {
        self.member.role()
    }
}

impl<H: Hook> Hook for When<H> {
    type State = Option<H::State>;

    fn before(&self, state: &mut Option<H::State>, cx: &mut Exchange) -> Flow {
        if !self.condition.is_match(cx.request()) {
            return Flow::Continue(());
        }
        self.member.before(state.insert(H::State::default()), cx)
    }

    fn after(&self, state: &mut Option<H::State>, cx: &mut Exchange) {
        if let Some(state) = state {
            self.member.after(state, cx);
        }
    }

    fn end(&self, state: &mut Option<H::State>, exit: &Exit<'_>) {
        if let Some(state) = state {
            self.member.end(state, exit);
        }
    }

    fn role(&self) -> Role {
        self.member.role()
    }
}
