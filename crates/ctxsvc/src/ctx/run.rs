//! Waiting under a context.

use std::borrow::Borrow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::Ctx;
use super::scope::Scope;
use crate::Done;

impl Ctx {
    /// Runs a future for as long as the context lasts.
    ///
    /// A future that is ready at its first poll costs neither a clock nor a timer. So a deadline
    /// that has passed without anybody noticing lets such an answer through, and
    /// [`check`](Self::check) does not.
    ///
    /// # Errors
    ///
    /// A [`Done`] if the context is over before the future is ready; it is not polled again.
    ///
    /// # Panics
    ///
    /// When the future has to wait, there is a deadline, and this is not polled on a tokio runtime
    /// with its time enabled.
    ///
    /// # Cancel safety
    ///
    /// As that of the future: to be cut short is to be dropped.
    pub fn run<F: Future>(&self, future: F) -> Run<&Self, F> {
        Run::new(self, future)
    }

    /// Waits until the context is over.
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// It can be dropped and called again.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use ctxsvc::Ctx;
    ///
    /// let (ctx, guard) = Ctx::root().cancellable();
    /// let waiting = tokio::spawn(async move { ctx.done().await });
    /// drop(guard);
    /// assert!(waiting.await.expect("no panic").is_cancelled());
    /// # }
    /// ```
    pub fn done(&self) -> Finished<'_> {
        Finished {
            ctx: self,
            waiter: Waiter::default(),
        }
    }
}

/// A place among those who wait for the end of a context. Whoever has one must
/// [`leave`](Self::leave) with the same context.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    place: Option<usize>,
}

impl Waiter {
    /// What is known without a look at the clock.
    fn known(ctx: &Ctx) -> Option<Done> {
        let scope = ctx.scope.as_ref()?;
        if scope.is_over() {
            scope.settle(None)
        } else {
            None
        }
    }

    /// Takes a place, or says why there is none.
    fn wait(&mut self, ctx: &Ctx, cx: &mut Context<'_>) -> Poll<Done> {
        let Some(scope) = &ctx.scope else {
            return Poll::Pending;
        };
        match self.take_place(scope, cx) {
            Some(done) => Poll::Ready(done),
            None => Poll::Pending,
        }
    }

    fn take_place(&mut self, scope: &Arc<Scope>, cx: &mut Context<'_>) -> Option<Done> {
        if self.place.is_none() {
            scope.link();
        }
        self.place = scope.enrol(self.place, cx.waker());
        if self.place.is_none() {
            return scope.settle(None);
        }
        // After the place is taken: whatever rings from now on is heard.
        scope.arm()
    }

    /// Polls a future under a context.
    pub(crate) fn poll<F: Future>(
        &mut self,
        ctx: &Ctx,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Done>> {
        if let Some(done) = Self::known(ctx) {
            return Poll::Ready(Err(done));
        }
        match future.poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => self.wait(ctx, cx).map(Err),
        }
    }

    pub(crate) fn leave(&mut self, ctx: &Ctx) {
        if let (Some(place), Some(scope)) = (self.place.take(), &ctx.scope) {
            scope.leave(place);
        }
    }
}

pin_project! {
    /// A future under a context, or under a borrowed one. From [`Ctx::run`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Run<C, F>
    where
        C: Borrow<Ctx>,
    {
        ctx: C,
        waiter: Waiter,
        #[pin]
        future: F,
    }

    impl<C, F> PinnedDrop for Run<C, F>
    where
        C: Borrow<Ctx>,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.waiter.leave(C::borrow(this.ctx));
        }
    }
}

impl<C: Borrow<Ctx>, F> Run<C, F> {
    pub(crate) fn new(ctx: C, future: F) -> Self {
        let waiter = Waiter::default();
        Self {
            ctx,
            waiter,
            future,
        }
    }
}

impl<C: Borrow<Ctx>, F: Future> Future for Run<C, F> {
    type Output = Result<F::Output, Done>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.waiter.poll(C::borrow(this.ctx), this.future, cx)
    }
}

/// The end of a context. From [`Ctx::done`].
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Finished<'a> {
    ctx: &'a Ctx,
    waiter: Waiter,
}

impl Future for Finished<'_> {
    type Output = Done;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Done> {
        let this = self.get_mut();
        match Waiter::known(this.ctx) {
            Some(done) => Poll::Ready(done),
            None => this.waiter.wait(this.ctx, cx),
        }
    }
}

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.waiter.leave(self.ctx);
    }
}
