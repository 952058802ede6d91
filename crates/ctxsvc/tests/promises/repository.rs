//! A repository that counts its loads and does what a test says.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ctxsvc::{Ctx, Load};

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("broken")]
pub(crate) struct Broken;

pub(crate) type Answer = Result<Option<u64>, Broken>;
type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

#[derive(Clone)]
pub(crate) struct Repository {
    loads: Arc<AtomicUsize>,
    answer: Arc<dyn Fn(Ctx, u32, usize) -> Answering + Send + Sync>,
}

impl Repository {
    /// Asks `answer` for the value of a key, and tells it how many loads there were before.
    pub(crate) fn new<F>(answer: impl Fn(u32, usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self::with_ctx(move |_ctx, key, nth| answer(key, nth))
    }

    pub(crate) fn with_ctx<F>(answer: impl Fn(Ctx, u32, usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self {
            loads: Arc::default(),
            answer: Arc::new(move |ctx, key, nth| Box::pin(answer(ctx, key, nth))),
        }
    }

    /// Takes `ms` to answer with the number of the load.
    pub(crate) fn taking(ms: u64) -> Self {
        Self::new(move |_key, nth| async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(Some(nth as u64))
        })
    }

    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }
}

impl Load for Repository {
    type Key = u32;
    type Value = u64;
    type Error = Broken;

    async fn load(&self, ctx: &Ctx, key: &u32) -> Answer {
        let nth = self.loads.fetch_add(1, Ordering::SeqCst);
        (self.answer)(ctx.clone(), *key, nth).await
    }

    /// One load for all of them. Those that are divisible by seven do not exist, and 13 is told
    /// as 14.
    async fn load_many(&self, _ctx: &Ctx, keys: &[u32]) -> Result<HashMap<u32, u64>, Broken> {
        let nth = self.loads.fetch_add(1, Ordering::SeqCst);
        let answer = (self.answer)(Ctx::root(), 0, nth).await?;
        let exist = keys.iter().filter(|key| *key % 7 != 0);
        let pairs = exist.map(|key| (key + u32::from(*key == 13), u64::from(*key)));
        Ok(answer.map(|_| pairs.collect()).unwrap_or_default())
    }
}
