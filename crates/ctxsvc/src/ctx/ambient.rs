//! A context for code that can't be handed one.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::task::JoinHandle;
use tokio::task::futures::TaskLocalFuture;

use super::Ctx;
use crate::Done;

tokio::task_local! {
    static CURRENT: Ctx;
}

impl Ctx {
    /// The context of the [`scope`](Self::scope) around, the root if there is none.
    ///
    /// A task that is spawned by tokio has none: [`spawn`](Self::spawn) hands it on.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(Self::clone).unwrap_or_default()
    }

    /// Runs a future in which this is the [`current`](Self::current) context.
    ///
    /// It does not end the future: that is what [`run`](Self::run) does.
    ///
    /// # Cancel safety
    ///
    /// As that of the future.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use ctxsvc::Ctx;
    ///
    /// async fn far_below() -> Option<u32> {
    ///     Ctx::current().value().copied()
    /// }
    ///
    /// let ctx = Ctx::root().with_value(7_u32);
    /// assert_eq!(ctx.scope(far_below()).await, Some(7));
    /// # }
    /// ```
    pub fn scope<F: Future>(&self, future: F) -> Scoped<F> {
        let future = CURRENT.scope(self.clone(), future);
        Scoped { future }
    }

    /// Spawns a task that runs under this context, and in which it is the current one.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<Result<F::Output, Done>>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let ctx = self.clone();
        tokio::spawn(self.scope(async move { ctx.run(future).await }))
    }
}

pin_project! {
    /// A future with a current context. From [`Ctx::scope`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<F> {
        #[pin]
        future: TaskLocalFuture<Ctx, F>,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}
