//! A server, and many tasks that ask one limiter.

use std::cell::Cell;
use std::ops::Range;

use bench::{Operation, batch};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::load::{Load, Quota};

/// A limiter in Redis with two policies.
pub(crate) trait Limits: Clone + Send + 'static {
    /// As tables call it.
    const NAME: &str;

    async fn open(url: &str, quotas: [Quota; 2]) -> Self;

    /// Takes a unit of a key's by the first policy. Whether there was one.
    fn once(self, key: u64) -> impl Future<Output = bool> + Send;

    /// Takes a unit of a key's by each, in the order of the policies. Whether there were both.
    fn twice(self, key: u64) -> impl Future<Output = bool> + Send;
}

/// How a task asks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    Once,
    Twice,
}

impl Way {
    pub(crate) async fn ask<T: Limits>(self, limits: T, key: u64) -> bool {
        match self {
            Self::Once => limits.once(key).await,
            Self::Twice => limits.twice(key).await,
        }
    }
}

/// A server with a runtime to use it on.
pub(crate) struct Stand<T> {
    pub(crate) user: T,
    /// So many decisions were asked for before: the next ones are for other keys.
    asked: Cell<u64>,
    pub(crate) runtime: Runtime,
    pub(crate) server: testkit::Redis,
}

impl<T> Stand<T> {
    pub(crate) fn new(user: impl AsyncFnOnce(&str) -> T) -> Self {
        let server = testkit::Redis::start(&[]).expect("redis-server is installed");
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Self {
            user: runtime.block_on(user(&server.url())),
            asked: Cell::new(0),
            runtime,
            server,
        }
    }
}

impl<T: Limits> Stand<T> {
    pub(crate) fn open(quotas: [Quota; 2]) -> Self {
        Self::new(async |url| T::open(url, quotas).await)
    }

    /// So many decisions, by so many tasks.
    pub(crate) fn ask(&self, load: Load, way: Way, decisions: u64, tasks: u64) {
        let first = self.asked.get();
        let last = first + decisions;
        self.asked.set(last);
        let asked = ask(&self.user, load, way, first..last, tasks);
        self.runtime.block_on(asked);
    }
}

/// Each task asks so many times; an operation is one decision of each.
pub(crate) fn many<T: Limits>(tasks: u64, load: Load, way: Way) -> impl Operation {
    let stand = Stand::<T>::open([load.quota(); 2]);
    batch(move |count| stand.ask(load, way, count * tasks, tasks))
}

/// An operation is one decision, of one of 64 tasks. Each key has been asked for before.
pub(crate) fn among<T: Limits>(load: Load, keys: u64) -> impl Operation {
    let stand = Stand::<T>::open([load.quota(); 2]);
    stand.ask(load, Way::Once, keys, 64);
    batch(move |count| stand.ask(load, Way::Once, count, 64))
}

/// How many were admitted.
pub(crate) async fn ask<T: Limits>(
    limits: &T,
    load: Load,
    way: Way,
    decisions: Range<u64>,
    tasks: u64,
) -> u64 {
    let mut asking = JoinSet::new();
    for task in 0..tasks {
        let (limits, decisions) = (limits.clone(), decisions.clone());
        asking.spawn(async move {
            let mut admitted = 0;
            let mut nth = decisions.start + task;
            while nth < decisions.end {
                let is_admitted = way.ask(limits.clone(), load.key(nth)).await;
                assert!(
                    is_admitted || !load.is_admitted(),
                    "the {nth}th of {load:?}"
                );
                admitted += u64::from(is_admitted);
                nth += tasks;
                load.pause().await;
            }
            admitted
        });
    }
    asking.join_all().await.into_iter().sum()
}
