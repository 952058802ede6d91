//! What may wait.

use crate::{Exchange, Next, Result, Role};

/// A member that may wait, before and after what is inside, or answer in its place.
///
/// An `async fn` is one, and so is an async closure whose arguments have their types written out.
///
/// # Examples
///
/// ```
/// use http::StatusCode;
/// use middleware_chain::{Chain, Error, Exchange, Middleware, Next, Result};
///
/// async fn auth(cx: &mut Exchange, next: Next<'_>) -> Result {
///     if !cx.request().headers.contains_key("authorization") {
///         return Err(Error::status(StatusCode::UNAUTHORIZED));
///     }
///     next.run(cx).await
/// }
///
/// struct Greet(&'static str);
///
/// impl Middleware for Greet {
///     async fn handle<'a>(&'a self, cx: &'a mut Exchange, next: Next<'a>) -> Result {
///         println!("{}", self.0);
///         next.run(cx).await
///     }
/// }
///
/// # fn main() -> std::result::Result<(), middleware_chain::BuildError> {
/// let chain = Chain::builder()
///     .with(auth)
///     .with(Greet("hello"))
///     .named("last", async |cx: &mut Exchange, next: Next<'_>| next.run(cx).await)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no middleware",
    label = "write `async fn(cx: &mut Exchange, next: Next<'_>) -> middleware_chain::Result`, or implement `Middleware`",
    note = "a hook is added with `.hook(...)`, and a tower layer with `.layer(...)`",
    note = "a closure needs the types: `async |cx: &mut Exchange, next: Next<'_>| ...`",
    note = "what is alive across an `.await` has to be `Send`"
)]
pub trait Middleware: Send + Sync + 'static {
    /// Handles one request.
    fn handle<'a>(
        &'a self,
        cx: &'a mut Exchange,
        next: Next<'a>,
    ) -> impl Future<Output = Result> + Send + 'a;

    /// What it is to the rules of order.
    fn role(&self) -> Role {
        Role::Other
    }
}

/// A function, for one lifetime: `Fn` cannot say that its future borrows from its arguments.
#[allow(unnameable_types, reason = "it is seen through `Middleware` only")]
pub trait MiddlewareFn<'a>: Send + Sync + 'static {
    type Future: Future<Output = Result> + Send + 'a;

    fn invoke(&self, cx: &'a mut Exchange, next: Next<'a>) -> Self::Future;
}

impl<'a, F, Fut> MiddlewareFn<'a> for F
where
    F: Fn(&'a mut Exchange, Next<'a>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result> + Send + 'a,
{
    type Future = Fut;

    fn invoke(&self, cx: &'a mut Exchange, next: Next<'a>) -> Fut {
        self(cx, next)
    }
}

impl<F: for<'a> MiddlewareFn<'a>> Middleware for F {
    fn handle<'a>(
        &'a self,
        cx: &'a mut Exchange,
        next: Next<'a>,
    ) -> impl Future<Output = Result> + Send + 'a {
        self.invoke(cx, next)
    }
}
