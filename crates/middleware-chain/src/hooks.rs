//! Hooks that are known at compile time.

use std::fmt;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body::Body as HttpBody;
use tower_layer::Layer;
use tower_service::Service;

use crate::panics::caught;
use crate::{BoxError, Chain, ChainService, Exchange, Exit, Flow, Hook, RequestBody, Role};

/// One to twelve hooks as one, the outermost first: what each does is compiled into one function,
/// where a chain calls each through a pointer.
///
/// It is a [`Hook`] with the behaviour of its parts next to each other in a chain, and, for those who
/// have no other members, a [`tower_layer::Layer`]. A chain lists it as one member, and its
/// [`check`](Chain::check) takes it for the first part that has a role.
///
/// ```
/// use middleware_chain::{Chain, Hooks, HostCheck, RequestId};
///
/// # fn main() -> Result<(), middleware_chain::BuildError> {
/// let both = Hooks::new((RequestId::new(), HostCheck::any()));
/// let chain = Chain::builder().hook(both).build()?;
/// # Ok(())
/// # }
/// ```
pub struct Hooks<T>(Arc<T>);

impl<T: HookList> Hooks<T> {
    /// A tuple of hooks.
    #[must_use]
    pub fn new(hooks: T) -> Self {
        Self(Arc::new(hooks))
    }
}

impl<T> Clone for Hooks<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: HookList> Hook for Hooks<T> {
    type State = T::States;

    #[inline]
    fn before(&self, states: &mut T::States, cx: &mut Exchange) -> Flow {
        let mut beginning = Beginning {
            hooks: &self.0,
            states,
            cx,
            begun: 0,
        };
        let flow = beginning.run();
        if let Flow::Break(response) = flow {
            return Flow::Break(beginning.answers(response));
        }
        mem::forget(beginning);
        Flow::Continue(())
    }

    #[inline]
    fn after(&self, states: &mut T::States, cx: &mut Exchange) {
        self.0.after(states, cx, T::LENGTH);
    }

    #[inline]
    fn end(&self, states: &mut T::States, exit: &Exit<'_>) {
        self.0.end(states, exit, T::LENGTH);
    }

    fn role(&self) -> Role {
        self.0.role()
    }
}

/// The way in. A part may answer, or panic: then a chain knows nothing of those that have begun, and
/// their ends are left to the exchange.
struct Beginning<'a, T: HookList> {
    hooks: &'a Arc<T>,
    states: &'a mut T::States,
    cx: &'a mut Exchange,
    begun: usize,
}

impl<T: HookList> Beginning<'_, T> {
    #[inline]
    fn run(&mut self) -> Flow {
        self.hooks.before(self.states, self.cx, &mut self.begun)
    }

    /// Lets those that have begun see the answer.
    #[cold]
    fn answers(self, response: Response<Bytes>) -> Response<Bytes> {
        let _ = self.cx.render(response);
        self.hooks.after(self.states, self.cx, self.begun);
        let body = self.cx.own_body.take().unwrap_or_default();
        let head = self.cx.response.take();
        head.map_or_else(
            || Response::new(Bytes::new()),
            |head| Response::from_parts(head, body),
        )
    }
}

impl<T: HookList> Drop for Beginning<'_, T> {
    fn drop(&mut self) {
        let hooks = Arc::clone(self.hooks);
        let mut states = mem::take(self.states);
        let begun = self.begun;
        self.cx
            .at_exit(move |exit| hooks.end(&mut states, exit, begun));
    }
}

impl<T, S, R> Layer<S> for Hooks<T>
where
    T: HookList,
    S: Service<http::Request<RequestBody>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<BoxError>,
{
    type Service = ChainService<S>;

    fn layer(&self, service: S) -> ChainService<S> {
        let chain = Chain::builder().hook(self.clone()).build();
        let chain = chain.expect("one member has room, and a name of its own");
        chain.layer(service)
    }
}

impl<T> fmt::Debug for Hooks<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// A tuple of hooks.
#[allow(unnameable_types, reason = "it is seen through `Hooks` only")]
pub trait HookList: Send + Sync + 'static {
    type States: Default + Send + 'static;
    const LENGTH: usize;

    /// Counts in `begun` those that let the request pass.
    fn before(&self, states: &mut Self::States, cx: &mut Exchange, begun: &mut usize) -> Flow;
    fn after(&self, states: &mut Self::States, cx: &mut Exchange, begun: usize);
    fn end(&self, states: &mut Self::States, exit: &Exit<'_>, begun: usize);
    fn role(&self) -> Role;
}

/// Indices, and the same in reverse.
macro_rules! hook_list {
    ($length:literal: $($hook:ident $at:tt),+; $($back:tt),+) => {
        impl<$($hook: Hook),+> HookList for ($($hook,)+) {
            type States = ($($hook::State,)+);
            const LENGTH: usize = $length;

            #[inline]
            fn before(
                &self,
                states: &mut Self::States,
                cx: &mut Exchange,
                begun: &mut usize,
            ) -> Flow {
                $(
                    self.$at.before(&mut states.$at, cx)?;
                    *begun = $at + 1;
                )+
                Flow::Continue(())
            }

            #[inline]
            fn after(&self, states: &mut Self::States, cx: &mut Exchange, begun: usize) {
                $(
                    if begun > $back {
                        self.$back.after(&mut states.$back, cx);
                    }
                )+
            }

            #[inline]
            fn end(&self, states: &mut Self::States, exit: &Exit<'_>, begun: usize) {
                let mut left = begun;
                // One that panics must not keep the others from their ends, and is counted out
                // before.
                while left > 0 {
                    let _panicked = caught(|| {
                        $(
                            if left > $back {
                                left = $back;
                                self.$back.end(&mut states.$back, exit);
                            }
                        )+
                    });
                }
            }

            fn role(&self) -> Role {
                let mut roles = [$(self.$at.role()),+].into_iter();
                roles.find(|role| *role != Role::Other).unwrap_or(Role::Other)
            }
        }
    };
}

hook_list!(1: A 0; 0);
hook_list!(2: A 0, B 1; 1, 0);
hook_list!(3: A 0, B 1, C 2; 2, 1, 0);
hook_list!(4: A 0, B 1, C 2, D 3; 3, 2, 1, 0);
hook_list!(5: A 0, B 1, C 2, D 3, E 4; 4, 3, 2, 1, 0);
hook_list!(6: A 0, B 1, C 2, D 3, E 4, F 5; 5, 4, 3, 2, 1, 0);
hook_list!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6; 6, 5, 4, 3, 2, 1, 0);
hook_list!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7; 7, 6, 5, 4, 3, 2, 1, 0);
hook_list!(9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8; 8, 7, 6, 5, 4, 3, 2, 1, 0);
hook_list!(10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9; 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
hook_list!(11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10; 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
hook_list!(12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11; 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
