//! A closure as work.

/// A type of its own, so that other work can be kept in a [`Cell`](super::Cell) too.
#[derive(Debug)]
pub(crate) struct Call<F> {
    closure: F,
    /// Where the caller was when it submitted the job.
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl<F> Call<F> {
    #[inline]
    pub(crate) fn new(closure: F) -> Self {
        Self {
            closure,
            #[cfg(feature = "tracing")]
            span: tracing::Span::current(),
        }
    }

    pub(crate) fn into_closure(self) -> F {
        self.closure
    }

    /// Consumes the closure and lets go of the span: both are gone when this returns.
    pub(crate) fn run<T>(self) -> T
    where
        F: FnOnce() -> T,
    {
        #[cfg(feature = "tracing")]
        return self.span.in_scope(self.closure);
        #[cfg(not(feature = "tracing"))]
        (self.closure)()
    }
}
