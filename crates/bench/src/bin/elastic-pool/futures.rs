//! A pool for futures beside what else bounds how many run.

use std::future::poll_fn;
use std::sync::Arc;

use bench::{Operation, Row, batch};
use elastic_pool::task;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tower::buffer::Buffer;
use tower::limit::ConcurrencyLimit;
use tower::{Service, service_fn};

use crate::THREADS;

/// Futures that yield once, at most a thousand at a time.
pub(crate) fn yields() -> Row {
    const LIMIT: usize = 1_000;
    let runtime = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(THREADS).build().expect("a runtime")
    };
    Row::new("futures of one yield, at most 1000 at once")
        .ours("task::Pool, with handle", move |_| {
            let runtime = runtime();
            let pool = runtime.block_on(async { task::Pool::builder().limit(LIMIT).build() });
            let pool = pool.expect("the settings are in range");
            batch(move |count| {
                let pool = pool.clone();
                let all = async move {
                    let mut handles = Vec::new();
                    for _ in 0..count {
                        handles.push(pool.submit(yield_now()).await.expect("it is open"));
                    }
                    for handle in handles {
                        handle.await.expect("it runs");
                    }
                };
                runtime.block_on(runtime.spawn(all)).expect("it runs");
            })
        })
        .peer("Semaphore + spawn", move |_| {
            let runtime = runtime();
            let permits = Arc::new(Semaphore::new(LIMIT));
            batch(move |count| {
                let permits = Arc::clone(&permits);
                let all = async move {
                    let mut handles = Vec::new();
                    for _ in 0..count {
                        let permit = Arc::clone(&permits).acquire_owned().await;
                        handles.push(::tokio::spawn(async move {
                            let _permit = permit.expect("it is open");
                            yield_now().await;
                        }));
                    }
                    for handle in handles {
                        handle.await.expect("it runs");
                    }
                };
                runtime.block_on(runtime.spawn(all)).expect("it runs");
            })
        })
        .peer("tower limit + buffer", move |_| {
            through_tower(runtime(), LIMIT)
        })
}

fn through_tower(runtime: Runtime, limit: usize) -> impl Operation {
    let service = service_fn(|()| async {
        yield_now().await;
        Ok::<_, std::convert::Infallible>(())
    });
    let service = ConcurrencyLimit::new(service, limit);
    let (service, work) = Buffer::pair(service, limit);
    runtime.spawn(work);
    batch(move |count| {
        let mut service = service.clone();
        let all = async move {
            let mut handles = Vec::new();
            for _ in 0..count {
                poll_fn(|cx| service.poll_ready(cx))
                    .await
                    .expect("it is open");
                handles.push(::tokio::spawn(service.call(())));
            }
            for handle in handles {
                handle.await.expect("it runs").expect("it never fails");
            }
        };
        runtime.block_on(runtime.spawn(all)).expect("it runs");
    })
}
