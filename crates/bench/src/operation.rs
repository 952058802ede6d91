//! What a contender does over and over again.

use std::hint::black_box;

use tokio::runtime::{Builder, Runtime};

/// What a contender does over and over again. Made by [`each`], [`batch`] or [`on_tokio`].
pub trait Operation {
    /// Does it so many times.
    fn run(&mut self, count: u64);
}

/// A blocking operation. What it returns is not optimised away, and its drop is measured too.
pub fn each<R>(mut operation: impl FnMut() -> R) -> impl Operation {
    batch(move |count| {
        for _ in 0..count {
            black_box(operation());
        }
    })
}

/// Operations that are done many at a time, as by several threads: the closure gets their number.
pub fn batch(operations: impl FnMut(u64)) -> impl Operation {
    Batch(operations)
}

/// An asynchronous operation, made on a runtime with one thread, on which it then runs.
///
/// # Panics
///
/// When there is no runtime to be had.
///
/// # Examples
///
/// ```
/// use bench::{Row, on_tokio};
///
/// let row = Row::new("let others run").ours("tokio", |_size| {
///     on_tokio(async || {
///         // Here is the place to connect to something.
///         async || tokio::task::yield_now().await
///     })
/// });
/// ```
pub fn on_tokio<R, O: AsyncFnMut() -> R>(make: impl AsyncFnOnce() -> O) -> impl Operation {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs one descriptor or two");
    let operation = runtime.block_on(make());
    OnTokio { runtime, operation }
}

impl Operation for Box<dyn Operation> {
    fn run(&mut self, count: u64) {
        (**self).run(count);
    }
}

struct Batch<F>(F);

impl<F: FnMut(u64)> Operation for Batch<F> {
    fn run(&mut self, count: u64) {
        (self.0)(count);
    }
}

struct OnTokio<O> {
    runtime: Runtime,
    operation: O,
}

impl<R, O: AsyncFnMut() -> R> Operation for OnTokio<O> {
    fn run(&mut self, count: u64) {
        let Self { runtime, operation } = self;
        runtime.block_on(async {
            for _ in 0..count {
                black_box(operation().await);
            }
        });
    }
}
