//! What a context costs.

use std::future::ready;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use bench::{Operation, Row, batch, each, on_tokio, unmeasured};
use ctxsvc::{CancelGuard, Ctx};
use metainfo::MetaInfo;
use tokio_context::context::RefContext;
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_hours(1);

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = vec![
        derive_until(),
        derive_for(),
        checked(1),
        checked(10),
        checked_deep(),
        contended(),
    ];
    rows.extend([
        check(),
        run_ready(),
        run_waiting(),
        values(),
        derive_value(),
    ]);
    rows.extend([cancel_unwatched(), cancel_watched(), cancel_children()]);
    rows.push(live_and_end());
    rows
}

fn derive_until() -> Row {
    Row::new("derive with a deadline")
        .ours("ctxsvc", |_| {
            let (ctx, guard) = Ctx::root().cancellable();
            let at = Instant::now() + HOUR;
            each(move || {
                let _kept = &guard;
                ctx.with_deadline(at)
            })
        })
        .peer("tokio-util token and Instant", |_| {
            let token = CancellationToken::new();
            let at = Instant::now() + HOUR;
            each(move || (token.child_token(), at))
        })
}

fn derive_for() -> Row {
    Row::new("derive with a timeout")
        .ours("ctxsvc", |_| {
            let (ctx, guard) = Ctx::root().cancellable();
            each(move || {
                let _kept = &guard;
                ctx.with_timeout(HOUR)
            })
        })
        .peer("tokio-util token and Instant", |_| {
            let token = CancellationToken::new();
            each(move || (token.child_token(), Instant::now() + HOUR))
        })
        .peer("tokio-util token and Sleep", |_| {
            on_tokio(async || {
                let token = CancellationToken::new();
                async move || (token.child_token(), tokio::time::sleep(HOUR))
            })
        })
        .peer("tokio-context", |_| {
            on_tokio(async || {
                let (parent, handle) = RefContext::new();
                async move || {
                    let _kept = &handle;
                    tokio_context::context::Context::with_parent(&parent, Some(HOUR))
                }
            })
        })
}

fn scopes(depth: usize) -> (Ctx, Vec<CancelGuard>) {
    let (mut ctx, mut guards) = (Ctx::root(), Vec::new());
    for _ in 0..depth {
        let (child, guard) = ctx.cancellable();
        guards.push(guard);
        ctx = child;
    }
    (ctx, guards)
}

fn tokens(depth: usize) -> Vec<CancellationToken> {
    let mut tokens = vec![CancellationToken::new()];
    while tokens.len() < depth {
        tokens.push(tokens[tokens.len() - 1].child_token());
    }
    tokens
}

fn checked(depth: usize) -> Row {
    Row::new(format!("is it cancelled, scopes: {depth}"))
        .ours("ctxsvc", move |_| {
            let (ctx, guards) = scopes(depth);
            each(move || {
                let _kept = &guards;
                black_box(&ctx).is_cancelled()
            })
        })
        .peer("tokio-util", move |_| {
            let tokens = tokens(depth);
            each(move || black_box(&tokens[depth - 1]).is_cancelled())
        })
}

fn checked_deep() -> Row {
    Row::new("growth: is it cancelled, so many scopes deep")
        .levels([1, 10, 100, 1_000])
        .ours("ctxsvc", |depth| {
            let (ctx, guards) = scopes(usize::try_from(depth).expect("it is small"));
            each(move || {
                let _kept = &guards;
                black_box(&ctx).is_cancelled()
            })
        })
}

fn check() -> Row {
    Row::new("check with a deadline")
        .ours("ctxsvc", |_| {
            let ctx = Ctx::root().with_timeout(HOUR);
            each(move || black_box(&ctx).check().is_ok())
        })
        .peer("a clock read", |_| {
            let at = Instant::now() + HOUR;
            each(move || Instant::now() < black_box(at))
        })
}

fn contended() -> Row {
    fn on_four_threads(ask: impl Fn() -> bool + Send + Sync + 'static) -> impl Operation {
        let ask = Arc::new(ask);
        batch(move |count| {
            thread::scope(|scope| {
                for _ in 0..4 {
                    let ask = Arc::clone(&ask);
                    scope.spawn(move || {
                        for _ in 0..count {
                            black_box(ask());
                        }
                    });
                }
            });
        })
    }
    Row::new("is it cancelled, four threads, four times each")
        .ours("ctxsvc", |_| {
            let (ctx, guards) = scopes(1);
            on_four_threads(move || {
                let _kept = &guards;
                ctx.is_cancelled()
            })
        })
        .peer("tokio-util", |_| {
            let token = CancellationToken::new();
            on_four_threads(move || token.is_cancelled())
        })
}

fn run_ready() -> Row {
    Row::new("run a future that is ready")
        .ours("ctxsvc", |_| {
            on_tokio(async || {
                let (ctx, guard) = Ctx::root().with_timeout(HOUR).cancellable();
                guard.disarm();
                async move || ctx.run(ready(1)).await.is_ok()
            })
        })
        .peer("timeout(run_until_cancelled)", |_| {
            on_tokio(async || {
                let token = CancellationToken::new();
                async move || {
                    tokio::time::timeout(HOUR, token.run_until_cancelled(ready(1)))
                        .await
                        .is_ok()
                }
            })
        })
}

/// Has to wait once, and is polled again at once: no runtime's way of doing that is measured.
async fn polled_twice<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        future.as_mut().poll(cx)
    })
    .await
}

/// Ready at its second poll.
#[derive(Default)]
struct Second(bool);

impl Future for Second {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

fn run_waiting() -> Row {
    Row::new("run a future of two polls")
        .ours("ctxsvc", |_| {
            on_tokio(async || {
                let (ctx, guard) = Ctx::root().with_timeout(HOUR).cancellable();
                guard.disarm();
                async move || polled_twice(ctx.run(Second::default())).await.is_ok()
            })
        })
        .peer("timeout(run_until_cancelled)", |_| {
            on_tokio(async || {
                let token = CancellationToken::new();
                async move || {
                    let run = token.run_until_cancelled(Second::default());
                    polled_twice(tokio::time::timeout(HOUR, run)).await.is_ok()
                }
            })
        })
}

/// A value of a type of its own.
struct Layer<const N: usize>;

/// Puts nine values of other types above what is there, each by this expression.
macro_rules! nine_more {
    ($context:ident, $layer:ident => $with:expr) => {
        nine_more!($context, $layer => $with; 1 2 3 4 5 6 7 8 9)
    };
    ($context:ident, $layer:ident => $with:expr; $($number:literal)*) => {
        $(
            let $layer = Layer::<$number>;
            let $context = $with;
        )*
    };
}

fn values() -> Row {
    Row::new("the oldest of ten values")
        .ours("ctxsvc", |_| {
            let ctx = Ctx::root().with_value(1_u64);
            nine_more!(ctx, layer => ctx.with_value(layer));
            each(move || black_box(&ctx).value::<u64>().copied())
        })
        .peer("OpenTelemetry", |_| {
            let ctx = opentelemetry::Context::new().with_value(1_u64);
            nine_more!(ctx, layer => ctx.with_value(layer));
            each(move || black_box(&ctx).get::<u64>().copied())
        })
        .peer("metainfo", |_| {
            let info = below(MetaInfo::new(), 1_u64);
            nine_more!(info, layer => below(info, layer));
            each(move || black_box(&info).get::<u64>().copied())
        })
}

/// One value more, as who is called adds it.
fn below<T: Send + Sync + 'static>(info: MetaInfo, value: T) -> MetaInfo {
    let mut info = MetaInfo::from(Arc::new(info));
    info.insert(value);
    info
}

fn derive_value() -> Row {
    Row::new("derive with a value")
        .ours("ctxsvc", |_| {
            let ctx = Ctx::root().with_value(Layer::<1>);
            each(move || ctx.with_value(1_u64))
        })
        .peer("OpenTelemetry", |_| {
            let ctx = opentelemetry::Context::new().with_value(Layer::<1>);
            each(move || ctx.with_value(1_u64))
        })
        .peer("metainfo", |_| {
            let parent = Arc::new(below(MetaInfo::new(), Layer::<1>));
            each(move || {
                let mut info = MetaInfo::from(Arc::clone(&parent));
                info.insert(1_u64);
                info
            })
        })
}

/// The cancel alone. The children have been made before and are dropped after.
fn cancel_unwatched() -> Row {
    Row::new("cancel one with so many children, for none of which anybody waits")
        .levels([10_000, 100_000])
        .ours("ctxsvc", |size| {
            each(move || {
                let (ctx, guard) = Ctx::root().cancellable();
                let children: Vec<_> =
                    unmeasured(|| (0..size).map(|_| ctx.cancellable()).collect());
                guard.cancel();
                unmeasured(|| drop(children));
            })
        })
        .peer("tokio-util", |size| {
            each(move || {
                let token = CancellationToken::new();
                let children: Vec<_> =
                    unmeasured(|| (0..size).map(|_| token.child_token()).collect());
                token.cancel();
                unmeasured(|| drop(children));
            })
        })
}

/// Polls each, so that it is among those who wait.
fn wait<F: Future>(waiting: &mut [Pin<Box<F>>]) {
    let mut cx = Context::from_waker(Waker::noop());
    for waiting in waiting {
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
    }
}

fn cancel_watched() -> Row {
    Row::new("cancel one that so many wait for")
        .sizes([10_000, 100_000])
        .ours("ctxsvc", |size| {
            each(move || {
                let (ctx, guard) = Ctx::root().cancellable();
                let waiting = unmeasured(|| {
                    let mut waiting: Vec<_> = (0..size).map(|_| Box::pin(ctx.done())).collect();
                    wait(&mut waiting);
                    waiting
                });
                guard.cancel();
                unmeasured(|| drop(waiting));
            })
        })
        .peer("tokio-util", |size| {
            each(move || {
                let token = CancellationToken::new();
                let waiting = unmeasured(|| {
                    let mut waiting: Vec<_> =
                        (0..size).map(|_| Box::pin(token.cancelled())).collect();
                    wait(&mut waiting);
                    waiting
                });
                token.cancel();
                unmeasured(|| drop(waiting));
            })
        })
}

fn cancel_children() -> Row {
    Row::new("cancel so many children, with one who waits for each")
        .sizes([100, 10_000, 1_000_000])
        .ours("ctxsvc", |size| {
            each(move || {
                let (ctx, guard) = Ctx::root().cancellable();
                let children: Vec<_> =
                    unmeasured(|| (0..size).map(|_| ctx.cancellable()).collect());
                let waiting = unmeasured(|| {
                    let mut waiting: Vec<_> =
                        children.iter().map(|(it, _)| Box::pin(it.done())).collect();
                    wait(&mut waiting);
                    waiting
                });
                guard.cancel();
                unmeasured(|| drop(waiting));
                unmeasured(|| drop(children));
            })
        })
        .peer("tokio-util", |size| {
            each(move || {
                let token = CancellationToken::new();
                let children: Vec<_> =
                    unmeasured(|| (0..size).map(|_| token.child_token()).collect());
                let waiting = unmeasured(|| {
                    let mut waiting: Vec<_> =
                        children.iter().map(|it| Box::pin(it.cancelled())).collect();
                    wait(&mut waiting);
                    waiting
                });
                token.cancel();
                unmeasured(|| drop(waiting));
                unmeasured(|| drop(children));
            })
        })
}

/// The whole life of a child: what the cancel alone does not show.
fn live_and_end() -> Row {
    Row::new("make so many children, wait for each, cancel and drop them")
        .sizes([1, 100, 10_000])
        .ours("ctxsvc", |size| {
            each(move || {
                let (ctx, guard) = Ctx::root().cancellable();
                let children: Vec<_> = (0..size).map(|_| ctx.cancellable()).collect();
                let mut waiting: Vec<_> = children.iter().map(|(ctx, _)| ctx.done()).collect();
                let mut cx = Context::from_waker(Waker::noop());
                for waiting in &mut waiting {
                    let _ = Pin::new(waiting).poll(&mut cx);
                }
                guard.cancel();
                waiting.len()
            })
        })
        .peer("tokio-util", |size| {
            each(move || {
                let token = CancellationToken::new();
                let children: Vec<_> = (0..size).map(|_| token.child_token()).collect();
                // One of these can't be moved once it waits.
                let mut waiting: Vec<_> =
                    children.iter().map(|it| Box::pin(it.cancelled())).collect();
                wait(&mut waiting);
                token.cancel();
                waiting.len()
            })
        })
}
